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
want=$(cat pyproject.toml envs/requirements.lock envs/setup.sh envs/pip_for_uv.py | sha256sum | cut -c1-16)-$build
stamp=$venv/tsva-setup
is_made() { [ "$(cat "$stamp" 2>/dev/null || true)" = "$want" ]; }
if is_made; then exit 0; fi

# one set-up at a time: a second one waits, and then finds it made
mkdir -p "$(dirname "$venv")"
if command -v flock >/dev/null; then
  exec 9>"$venv.lock"
  if ! flock --nonblock 9; then
    echo "Another process sets up $venv; waiting for it ..." >&2
    flock 9
    if is_made; then exit 0; fi
  fi
fi

echo "Setting up $venv (torch $torch for $build) ..." >&2
rm -f "$stamp"
"$python" -m venv "$venv"
venv_python=$venv/bin/python

# uv comes by pip, at the version and with the hashes of the lock, and installs the rest; where uv can't, pip does
pip=("$venv_python" -m pip -qq --disable-pip-version-check)
"${pip[@]}" install --no-deps --require-hashes -r <(sed -n '/^uv==/,/[^\\]$/p' envs/requirements.lock)
settings=$("$venv_python" envs/pip_for_uv.py)
eval "$settings"
uv=("$venv/bin/uv" --quiet pip)
by_uv() { "${uv[@]}" install --python "$venv_python" --index-strategy unsafe-best-match "${where[@]}" "$@"; }
by_pip() { "${pip[@]}" install "$@"; }
of_lock=(--no-deps --require-hashes -r envs/requirements.lock)
by_uv "${of_lock[@]}" || by_pip "${of_lock[@]}"
installed=$("$venv_python" -c 'import importlib.metadata as m; print(m.version("torch"))' 2>/dev/null || true)
case $build in
  cuda)
    # the registry's own build is the CUDA one and brings its libraries
    case $installed in *+cpu) "${uv[@]}" uninstall --python "$venv_python" torch ;; esac
    by_uv "torch==$torch" || by_pip "torch==$torch"
    ;;
  cpu)
    # first what pip is configured to find, then uv, which knows where the CPU builds are kept
    if [ "$installed" != "$torch+cpu" ]; then
      by_uv --no-deps "torch==$torch+cpu" 2>/dev/null || by_pip --no-deps "torch==$torch+cpu" 2>/dev/null ||
        "${uv[@]}" install --python "$venv_python" --torch-backend cpu --no-deps "torch==$torch"
    fi
    ;;
esac
"${uv[@]}" install --python "$venv_python" --no-deps --no-build-isolation --editable .
"${uv[@]}" check --python "$venv_python"
# once, on all cores, in place of at the first import; an environment may belong to a user who lets others only read
"$venv_python" -m compileall -qq -j 0 -x '/tests?/' "$("$venv_python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')" 2>/dev/null || true
echo "$want" >"$stamp"
