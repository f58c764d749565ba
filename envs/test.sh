#!/usr/bin/env bash
# Set up the environment, then lint, types, layers and tests; arguments go to pytest.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
bash envs/setup.sh
export PATH="$PWD/${TSVA_VENV:-.venv}/bin:$PATH"
ruff check .
ruff format --check .
snakefmt --check Snakefile workflow
snakemake --lint
lint-imports
mypy
exec pytest -n 2 "$@"
