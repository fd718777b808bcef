#!/bin/sh
# Puts the NATS server of tests and benchmarks at build/servers/nats-server, unless it is there or in PATH. Go builds it if Go is
# installed. Otherwise it comes from the distribution's package, which is older (2.9 is enough). The script installs nothing outside of
# build.
#
#   sh deploy/servers/nats.sh [--check]
#
# With --check it only prints what is missing, and fails if something is missing.
set -eu
VERSION=v2.15.2

here=$(cd "$(dirname "$0")" && pwd)
. "$here/bring.sh"
PATH=$PATH:/usr/sbin:/usr/local/go/bin

found() {
  for server in "$outdir/nats-server" "$(command -v nats-server || true)"; do
    [ -n "$server" ] && "$server" --version 2>/dev/null && return 0
  done
  return 1
}
exit_if_there NATS 'nats-server is' "${1:-}"

by_go() {
  command -v go >/dev/null && GOBIN=$work go install "github.com/nats-io/nats-server/v2@$VERSION"
}
by_package() {
  unpack_package nats-server && mv "$work/usr/sbin/nats-server" "$work/nats-server"
}
make_work
if by_go || by_package; then
  mv "$work/nats-server" "$outdir/nats-server"
  sh "$0" --check
  exit
fi
echo 'NATS: there is neither Go nor a package of nats-server. Put nats-server 2.9 or newer into PATH' >&2
exit 1
