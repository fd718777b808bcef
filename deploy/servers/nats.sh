#!/bin/sh
# Brings the NATS server that tests and benchmarks start: build/servers/nats-server, built by Go where there is Go, else
# taken out of the distribution's package, which is older (2.9 is enough). Nothing is installed on this machine. Does
# nothing where one is there already, in that folder or in the path.
#
#   sh deploy/servers/nats.sh [--check]
#
# With --check it only says what is missing, and fails if something is.
set -eu
VERSION=v2.15.2

here=$(cd "$(dirname "$0")" && pwd)
outdir=$here/../../build/servers
PATH=$PATH:/usr/sbin:/usr/local/go/bin

found() {
  for server in "$outdir/nats-server" "$(command -v nats-server || true)"; do
    [ -n "$server" ] && "$server" --version 2>/dev/null && return 0
  done
  return 1
}
if said=$(found); then
  echo "NATS: $said"
  exit 0
fi
if [ "${1:-}" = --check ]; then
  echo 'NATS: nats-server is missing. Bring it with: sh deploy/servers/nats.sh'
  exit 1
fi

mkdir -p "$outdir"
work=$(mktemp -d "$outdir/work.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

by_go() {
  command -v go >/dev/null && GOBIN=$work go install "github.com/nats-io/nats-server/v2@$VERSION"
}
by_package() {
  command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || return 1
  # Root's downloads are made by another user, who may not write here; a list of packages that is too old is renewed.
  (cd "$work" && { apt-get download -q nats-server || { apt-get update -q && apt-get download -q nats-server; }; }) &&
    dpkg-deb -x "$work"/nats-server_*.deb "$work" && mv "$work/usr/sbin/nats-server" "$work/nats-server"
}
if by_go || by_package; then
  # Whole or not at all, also where two do this at once.
  mv "$work/nats-server" "$outdir/nats-server"
  sh "$0" --check
  exit
fi
echo 'NATS: neither Go nor a package brings nats-server here; put one of at least 2.9 into the path' >&2
exit 1
