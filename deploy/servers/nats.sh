#!/bin/sh
# Brings the NATS server that tests and benchmarks start: build/servers/nats-server. Go builds it where there is Go. Elsewhere
# it comes from the distribution's package, which is older (2.9 is enough). The script installs nothing on this machine, and
# does nothing where that folder or the path has the server.
#
#   sh deploy/servers/nats.sh [--check]
#
# With --check it only says what is missing, and fails if something is.
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
echo 'NATS: neither Go nor a package brings nats-server here; put one of at least 2.9 into the path' >&2
exit 1
