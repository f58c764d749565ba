#!/usr/bin/env bash
# Fetch the data set of Jiang et al. 2018 and run the paper's protocol on it; options go to snakemake, both times.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# which slides there are is known only when the archives are unpacked, so the workflow is planned anew after that
bash envs/run.sh "$@" --configfile config/jiang2018.yaml -- fetched
exec bash envs/run.sh "$@" --configfile config/jiang2018.yaml
