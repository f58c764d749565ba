#!/usr/bin/env bash
# Optional system packages (Debian, Ubuntu) for tests that are skipped without them. Repeating it costs nothing.
#   slurm       slurm-wlm munge                     tests/workflow/test_slurm.py: a private Slurm of one node
#   accounting  slurmdbd mariadb-server             the same with accounting
#   imagej      imagej xvfb                         tests/unit/count/test_imagej_live.py: counts by ImageJ itself
#   vips        libvips-tools                       pyramids by another program
#   browser     chromium fonts-dejavu-core          tests/unit/report/test_report_browser.py: the report in a real browser
# usage: bash envs/system.sh [slurm] [accounting] [imagej] [vips] [browser]     (none named: slurm imagej vips browser)
# Installs by apt-get alone and starts no service.
set -euo pipefail

declare -A packages=(
  [slurm]="slurm-wlm munge"
  [accounting]="slurm-wlm munge slurmdbd mariadb-server"
  [imagej]="imagej xvfb"
  [vips]="libvips-tools"
  [browser]="chromium fonts-dejavu-core"
)
[ $# -gt 0 ] || set -- slurm imagej vips browser
wanted=()
for what in "$@"; do
  if [ -z "${packages[$what]:-}" ]; then
    echo "There is no '$what'; there are ${!packages[*]}" >&2
    exit 2
  fi
  for package in ${packages[$what]}; do
    state=$(dpkg-query --show --showformat='${db:Status-Abbrev}' "$package" 2>/dev/null || true)
    case $state in ii*) ;; *) wanted+=("$package") ;; esac
  done
done
if [ ${#wanted[@]} -eq 0 ]; then
  echo "All there: $*"
  exit 0
fi
if ! command -v apt-get >/dev/null; then
  echo "apt-get is not here. Install by your own means: ${wanted[*]}" >&2
  exit 1
fi
as_root=()
if [ "$(id -u)" -ne 0 ]; then
  if ! command -v sudo >/dev/null; then
    echo "This needs root. Let an administrator run: apt-get install ${wanted[*]}" >&2
    exit 1
  fi
  as_root=(sudo)
fi

# Debian starts services when they are installed, unless this file forbids it; ours are started by the tests, as nobody's service
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
  printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee $policy >/dev/null
  "${as_root[@]}" chmod +x $policy
  trap '"${as_root[@]}" rm -f $policy' EXIT
fi
echo "Installing ${wanted[*]} ..." >&2
# where no server answers, this ends soon
apt=(env DEBIAN_FRONTEND=noninteractive apt-get -o Acquire::http::Timeout=20 -o Acquire::Retries=1)
"${as_root[@]}" "${apt[@]}" update -qq
"${as_root[@]}" "${apt[@]}" install -qq -y --no-install-recommends "${wanted[@]}" >/dev/null
echo "Installed: ${wanted[*]}"
