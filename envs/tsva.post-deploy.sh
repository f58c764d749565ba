#!/usr/bin/env bash
# After conda made the environment of tsva.yaml: what the lock says, torch and this package. Runs in the workflow's working directory.
set -euo pipefail
python -m pip install --no-deps --require-hashes -r envs/requirements.lock
# uv comes with the lock and takes the CPU build of torch where there is no GPU
uv pip install --python "$(command -v python)" --torch-backend auto "$(sed -n 's/^ *"\(torch==.*\)",$/\1/p' pyproject.toml)"
python -m pip install --no-deps --no-build-isolation --editable .
