#!/bin/sh
# Installs with the distribution's package manager what real VMs on this host need, unless it is there: QEMU 10.0 or newer (from the
# backports suite if the distribution's own is older), mptcpize for programs without MPTCP, a proxy for clients without MPTCP, and lz4
# for the guest's kernel. If the kernel has no netem, also user-mode Linux, a kernel with netem that runs as a process.
#
#   sh deploy/testbed/prerequisites.sh [--check [delay]]
#
# With --check it installs nothing: it prints what is missing, and fails if something is missing. Programs for
# paths with delay or loss may be missing, except with "--check delay".
set -eu
LEAST_QEMU=10

# command:package
NEEDED='ip:iproute2 tc:iproute2 openssl:openssl mptcpize:mptcpize haproxy:haproxy nft:nftables lz4:lz4 setpriv:util-linux perl:perl'

NEEDED_FOR_DELAY='linux.uml:user-mode-linux insmod:kmod'

not_here() {
  for pair in "$@"; do
    command -v "${pair%%:*}" >/dev/null 2>&1 || printf ' %s' "${pair#*:}"
  done
}
# shellcheck disable=SC2086
missing=$(not_here $NEEDED)

# Only root can find out whether the kernel has netem.
not_here_for_delay() {
  [ "$(id -u)" -eq 0 ] && ! unshare --net tc qdisc add dev lo root netem delay 1ms 2>/dev/null || return 0
  # shellcheck disable=SC2086
  not_here $NEEDED_FOR_DELAY
}
missing_for_delay=$(not_here_for_delay)

qemu_version() { qemu-system-x86_64 --version 2>/dev/null | sed -n 's/^QEMU emulator version \([0-9]*\).*/\1/p'; }
have=$(qemu_version)
old_qemu=''
[ "${have:-0}" -ge $LEAST_QEMU ] && command -v qemu-img >/dev/null 2>&1 || old_qemu=yes

if [ -z "$missing$old_qemu$missing_for_delay" ]; then
  echo 'Test bed: nothing is missing.'
  exit 0
fi
if [ "${1:-}" = --check ]; then
  [ -z "$missing_for_delay" ] ||
    echo "Test bed: paths cannot have delay or loss: the kernel has no sch_netem, and these are missing:$missing_for_delay."
  [ -n "$missing$old_qemu" ] || [ "${2:-}" = delay ] || exit 0
  [ -z "$missing" ] || echo "Test bed: these are missing:$missing."
  [ -z "$old_qemu" ] || echo "Test bed: QEMU $LEAST_QEMU.0 or newer is needed; this host has ${have:-none}."
  echo 'To install, as root: sh deploy/testbed/prerequisites.sh'
  exit 1
fi
if [ "$(id -u)" -ne 0 ]; then
  echo 'Test bed: run as root: sh deploy/testbed/prerequisites.sh' >&2
  exit 1
fi
if ! command -v apt-get >/dev/null 2>&1; then
  echo "Test bed: this script needs apt-get. Install by hand:$missing$missing_for_delay${old_qemu:+ qemu-system-x86 >= $LEAST_QEMU.0 and qemu-img}" >&2
  exit 1
fi

export DEBIAN_FRONTEND=noninteractive
apt-get update -q

# The mirror that the machine uses for a suite. Source lists have two forms.
mirror() {
  suite=$1
  for file in /etc/apt/sources.list.d/*.sources; do
    [ -e "$file" ] || continue
    awk -v suite="$suite" '
      function flush() { if (uri != "" && index(" " suites " ", " " suite " ")) { print uri "|" key; exit }; uri = suites = key = "" }
      /^$/ { flush() }
      /^URIs:/ { uri = $2 }
      /^Suites:/ { $1 = ""; suites = substr($0, 2) }
      /^Signed-By:/ { key = $2 }
      END { flush() }' "$file"
  done
  cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null | awk -v suite="$suite" '
    $1 == "deb" {
      key = ""
      at = 2
      if ($2 ~ /^\[/) { for (i = 2; i <= NF; i++) { if (match($i, /signed-by=[^\] ]+/)) key = substr($i, RSTART + 10, RLENGTH - 10); if ($i ~ /\]$/) { at = i + 1; break } } }
      if ($(at + 1) == suite) { print $at "|" key; exit }
    }'
}

if [ -n "$old_qemu" ]; then
  candidate=$(apt-cache policy qemu-system-x86 | sed -n 's/^ *Candidate: \([0-9]*:\)\{0,1\}\([0-9]*\).*/\2/p')
  from=''
  if [ "${candidate:-0}" -lt $LEAST_QEMU ]; then
    . /etc/os-release
    found=$(mirror "$VERSION_CODENAME" | head -n 1)
    if [ -z "$found" ]; then
      echo "Test bed: no package source of $VERSION_CODENAME is configured, so the script cannot derive that of its backports" >&2
      exit 1
    fi
    {
      echo 'Types: deb'
      echo "URIs: ${found%%|*}"
      echo "Suites: $VERSION_CODENAME-backports"
      echo 'Components: main'
      [ -z "${found#*|}" ] || echo "Signed-By: ${found#*|}"
    } >/etc/apt/sources.list.d/tagalong-backports.sources
    apt-get update -q
    from="-t $VERSION_CODENAME-backports"
  fi
  # shellcheck disable=SC2086
  apt-get install -y -q --no-install-recommends $from qemu-system-x86 qemu-utils
fi
# shellcheck disable=SC2086
[ -z "$missing" ] || apt-get install -y -q --no-install-recommends $missing

# If these cannot be installed, a test bed without delay still works.
missing_for_delay=$(not_here_for_delay)
if [ -n "$missing_for_delay" ]; then
  # shellcheck disable=SC2086
  apt-get install -y -q --no-install-recommends $missing_for_delay ||
    echo "Test bed:$missing_for_delay could not be installed" >&2
fi
exec sh "$0" --check
