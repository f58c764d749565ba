#!/usr/bin/env bash
# Set up the environment, then lint, types, layers and tests; arguments go to pytest.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
bash envs/setup.sh
export PATH="$PWD/${TSVA_VENV:-.venv}/bin:$PATH"
ruff check .
ruff format --check .
# once for the hundreds of short processes, and for pytest's, where Python is told to write none
python envs/rewrite_tests.py tests &
python -m compileall -q tsva
wait $!

# beside the tests, as none uses all cores; each says at once in one piece what it found wrong
check() {
  local said
  said=$("$@" 2>&1) || { printf '%s failed:\n%s\n' "$*" "$said" >&2; return 1; }
}
checks() {
  local status=0
  check pyrefly check --output-format min-text || status=1
  check lint-imports || status=1
  check snakefmt --check Snakefile workflow || status=1
  check snakemake --lint || status=1
  return $status
}
checks &
beside=$!
trap 'kill $beside 2>/dev/null || true' EXIT
# two processes more than two cores: Slurm's tests mostly wait, and those that run Snakemake wait in part
status=0
pytest -n 4 "$@" || status=$?
wait $beside || { echo "Of the checks beside the tests one failed; see above." >&2; [ $status -ne 0 ] || status=1; }
exit $status
