# Functions for nats.sh and prometheus.sh, which put programs into build/servers. The caller sets $here to the folder of the scripts.
outdir=$here/../../build/servers

# exit_if_there LABEL MISSING [--check]: ends the script if `found` finds the programs. With --check it always ends the script.
exit_if_there() {
  if said=$(found); then
    echo "$1: $said"
    exit 0
  fi
  if [ "${3:-}" = --check ]; then
    echo "$1: $2 missing. To install: sh deploy/servers/$(basename "$0")"
    exit 1
  fi
}

# Makes $work, a folder beside the result, which is removed when the script ends. A program is moved from there when it is complete, so
# two runs at the same time do no harm.
make_work() {
  mkdir -p "$outdir"
  work=$(mktemp -d "$outdir/work.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  trap 'exit 1' HUP INT TERM
}

# unpack_package NAME: unpacks a package of the distribution into $work. Fails if there is no such package.
unpack_package() {
  command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || return 1
  # As root, apt-get lets another user download; the warning that this user may not write here does no harm. The second attempt follows
  # an update of the list of packages, which may be too old.
  (cd "$work" && { apt-get download -q "$1" || { apt-get update -q && apt-get download -q "$1"; }; }) &&
    dpkg-deb -x "$work/$1"_*.deb "$work"
}
