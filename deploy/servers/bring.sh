# Shared by nats.sh and prometheus.sh, which source it: both bring programs into build/servers and install nothing.
# Expects $here, the folder of these scripts.
outdir=$here/../../build/servers

# exit_if_there LABEL MISSING [--check]: ends the script where `found` finds the programs, and with --check in any case.
exit_if_there() {
  if said=$(found); then
    echo "$1: $said"
    exit 0
  fi
  if [ "${3:-}" = --check ]; then
    echo "$1: $2 missing. To bring what is missing: sh deploy/servers/$(basename "$0")"
    exit 1
  fi
}

# Makes $work, a folder beside the result, for as long as the script runs: from there a program is moved whole, or not at all,
# also where two scripts do this at once.
make_work() {
  mkdir -p "$outdir"
  work=$(mktemp -d "$outdir/work.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  trap 'exit 1' HUP INT TERM
}

# unpack_package NAME: unpacks the distribution's package into $work. Fails if there is none.
unpack_package() {
  command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || return 1
  # Another user makes root's downloads, and may not write here. A list of packages that is too old is renewed.
  (cd "$work" && { apt-get download -q "$1" || { apt-get update -q && apt-get download -q "$1"; }; }) &&
    dpkg-deb -x "$work/$1"_*.deb "$work"
}
