#!/bin/sh
# Puts Prometheus and promtool into build/servers, unless both are there or in PATH. Tests and `tagalong local` start them. They come
# from the distribution's package. The script installs nothing outside of build, and starts no service.
#
#   sh deploy/servers/prometheus.sh [--check]
#
# With --check it only prints what is missing, and fails if something is missing.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
. "$here/bring.sh"

found() {
  for folder in "$outdir" $(echo "$PATH" | tr ':' ' '); do
    [ -x "$folder/prometheus" ] && [ -x "$folder/promtool" ] || continue
    "$folder/prometheus" --version 2>&1 | head -n 1
    return 0
  done
  return 1
}
exit_if_there Prometheus 'prometheus and promtool are' "${1:-}"

make_work
if unpack_package prometheus; then
  # The server comes last, because other runs look for both.
  mv "$work/usr/bin/promtool" "$outdir/promtool"
  mv "$work/usr/bin/prometheus" "$outdir/prometheus"
  sh "$0" --check
  exit
fi
echo 'Prometheus: there is no package of it. Put prometheus and promtool 2.42 or newer into PATH' >&2
exit 1
