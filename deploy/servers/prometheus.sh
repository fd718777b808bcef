#!/bin/sh
# Brings Prometheus and its promtool, which tests start and which the loopback installation watches itself with: both are
# taken out of the distribution's package into build/servers. Nothing is installed on this machine, and no service begins.
# Does nothing where they are there already, in that folder or in the path.
#
#   sh deploy/servers/prometheus.sh [--check]
#
# With --check it only says what is missing, and fails if something is.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
outdir=$here/../../build/servers

found() {
  for folder in "$outdir" $(echo "$PATH" | tr ':' ' '); do
    [ -x "$folder/prometheus" ] && [ -x "$folder/promtool" ] || continue
    "$folder/prometheus" --version 2>&1 | head -n 1
    return 0
  done
  return 1
}
if said=$(found); then
  echo "Prometheus: $said"
  exit 0
fi
if [ "${1:-}" = --check ]; then
  echo 'Prometheus: prometheus and promtool are missing. Bring them with: sh deploy/servers/prometheus.sh'
  exit 1
fi

mkdir -p "$outdir"
work=$(mktemp -d "$outdir/work.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

by_package() {
  command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || return 1
  # Root's downloads are made by another user, who may not write here; a list of packages that is too old is renewed.
  (cd "$work" && { apt-get download -q prometheus || { apt-get update -q && apt-get download -q prometheus; }; }) &&
    dpkg-deb -x "$work"/prometheus_*.deb "$work"
}
if by_package; then
  # Whole or not at all, also where two do this at once; the server last, because it is what is looked for.
  mv "$work/usr/bin/promtool" "$outdir/promtool"
  mv "$work/usr/bin/prometheus" "$outdir/prometheus"
  sh "$0" --check
  exit
fi
echo 'Prometheus: no package brings it here; put prometheus and promtool, of at least 2.42, into the path' >&2
exit 1
