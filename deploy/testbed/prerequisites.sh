#!/bin/sh
# Installs what real VMs on this host need, with the distribution's package manager: QEMU of at least 10.0 (from the
# backports suite where the distribution's own is older), MPTCP for programs that do not know it, a proxy
# for clients that do not. Does nothing where nothing is missing.
#
#   sh deploy/testbed/prerequisites.sh [--check]
#
# With --check it only says what is missing and how to install it, and fails if something is.
set -eu
LEAST_QEMU=10

# command:package
NEEDED='ip:iproute2 tc:iproute2 openssl:openssl mptcpize:mptcpize haproxy:haproxy nft:nftables'

missing=''
for pair in $NEEDED; do
  command -v "${pair%%:*}" >/dev/null 2>&1 || missing="$missing ${pair#*:}"
done

qemu_version() { qemu-system-x86_64 --version 2>/dev/null | sed -n 's/^QEMU emulator version \([0-9]*\).*/\1/p'; }
have=$(qemu_version)
old_qemu=''
[ "${have:-0}" -ge $LEAST_QEMU ] && command -v qemu-img >/dev/null 2>&1 || old_qemu=yes

if [ -z "$missing$old_qemu" ]; then
  echo 'Test bed: nothing is missing.'
  exit 0
fi
if [ "${1:-}" = --check ]; then
  [ -z "$missing" ] || echo "Test bed: missing are$missing."
  [ -z "$old_qemu" ] || echo "Test bed: QEMU is ${have:-not there}; at least $LEAST_QEMU.0 is needed."
  echo 'Install them, as root, with: sh deploy/testbed/prerequisites.sh'
  exit 1
fi
if [ "$(id -u)" -ne 0 ]; then
  echo 'Test bed: run as root: sh deploy/testbed/prerequisites.sh' >&2
  exit 1
fi
if ! command -v apt-get >/dev/null 2>&1; then
  echo "Test bed: no apt-get here; install by hand:$missing${old_qemu:+ qemu-system-x86 >= $LEAST_QEMU.0 and qemu-img}" >&2
  exit 1
fi

export DEBIAN_FRONTEND=noninteractive
apt-get update -q

# The mirror that the machine uses, from whichever form of source list it has.
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
      echo "Test bed: no source of $VERSION_CODENAME is configured, so none of its backports can be derived" >&2
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
exec sh "$0" --check
