#!/usr/bin/env bash
# Set up the environment and run the workflow; arguments go to snakemake.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
bash envs/setup.sh
export PATH="$PWD/${TSVA_VENV:-.venv}/bin:$PATH"
exec snakemake --cores all "$@"
