#!/bin/sh
# Brings Prometheus and its promtool, which tests start and which the loopback installation watches itself with: both come
# from the distribution's package into build/servers. The script installs nothing on this machine, starts no service, and
# does nothing where that folder or the path has both.
#
#   sh deploy/servers/prometheus.sh [--check]
#
# With --check it only says what is missing, and fails if something is.
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
  # The server last: `found` looks for both.
  mv "$work/usr/bin/promtool" "$outdir/promtool"
  mv "$work/usr/bin/prometheus" "$outdir/prometheus"
  sh "$0" --check
  exit
fi
echo 'Prometheus: no package brings it here; put prometheus and promtool, of at least 2.42, into the path' >&2
exit 1
