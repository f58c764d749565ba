#!/usr/bin/env bash
# Set up the environment, then lint, types, layers and tests; arguments go to pytest.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
bash envs/setup.sh
export PATH="$PWD/${TSVA_VENV:-.venv}/bin:$PATH"
checks=("ruff check ." "ruff format --check ." "snakefmt --check Snakefile workflow" "snakemake --lint" lint-imports mypy)
# side by side, as each uses one core; what failed is printed in one piece
printf '%s\n' "${checks[@]}" | tac | xargs -P "$(nproc)" -I{} bash -c 'said=$({} 2>&1) || { printf "%s\n" "{} failed:" "$said"; exit 1; }' >&2
# one process more than two cores: Slurm's tests mostly wait
exec pytest -n 3 "$@"
