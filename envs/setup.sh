#!/usr/bin/env bash
# Make .venv hold exactly what envs/requirements.lock says, plus torch and this package. Repeating it costs nothing.
#   TSVA_TORCH=cpu|cuda|auto   which build of torch (auto: cuda where an NVIDIA driver answers)
#   PYTHON=python3.12          which interpreter makes the environment (3.11 or newer)
#   TSVA_VENV=.venv            where the environment is made
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

venv=${TSVA_VENV:-.venv}
python=${PYTHON:-python3}
build=${TSVA_TORCH:-auto}
if [ "$build" = auto ]; then
  if nvidia-smi -L >/dev/null 2>&1; then build=cuda; else build=cpu; fi
fi
case $build in cpu | cuda) ;; *)
  echo "TSVA_TORCH is '$build'; it takes cpu, cuda or auto" >&2
  exit 2
  ;;
esac
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
  echo "$("$python" --version 2>&1) is too old: Python 3.11 or newer is needed. Name one, as in PYTHON=python3.12" >&2
  exit 2
fi

torch=$(sed -n 's/^ *"torch==\(.*\)",$/\1/p' pyproject.toml)
want=$(cat pyproject.toml envs/requirements.lock envs/setup.sh | sha256sum | cut -c1-16)-$build
stamp=$venv/tsva-setup
[ "$(cat "$stamp" 2>/dev/null || true)" = "$want" ] && exit 0

echo "Setting up $venv (torch $torch for $build) ..." >&2
rm -f "$stamp"
"$python" -m venv "$venv"
pip=("$venv/bin/python" -m pip -qq --disable-pip-version-check)
"${pip[@]}" install --no-deps --require-hashes -r envs/requirements.lock
installed=$("$venv/bin/python" -c 'import importlib.metadata as m; print(m.version("torch"))' 2>/dev/null || true)
case $build in
  cuda)
    # the registry's own build is the CUDA one and brings its libraries
    case $installed in *+cpu) "${pip[@]}" uninstall -y torch ;; esac
    "${pip[@]}" install "torch==$torch"
    ;;
  cpu)
    # first what pip is configured to find, then uv, which knows where the CPU builds are kept
    if [ "$installed" != "$torch+cpu" ]; then
      "${pip[@]}" install --no-deps "torch==$torch+cpu" 2>/dev/null ||
        "$venv/bin/uv" pip install --quiet --python "$venv/bin/python" --torch-backend cpu --no-deps "torch==$torch"
    fi
    ;;
esac
"${pip[@]}" install --no-deps --no-build-isolation --editable .
"${pip[@]}" check
echo "$want" >"$stamp"
