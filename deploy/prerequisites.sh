#!/bin/sh
# Installs what the tests of the real parts need and npm does not bring, with the distribution's package manager.
# Does nothing where nothing is missing. Without root it prints the line to run instead, and fails.
set -eu

# One command:package a line; the package is named as on Debian and Ubuntu. Nothing is needed yet: the hypervisor of the
# tests is simulated, and the bus and the store are in memory.
NEEDED='
'

missing=''
for pair in $NEEDED; do
  command -v "${pair%%:*}" >/dev/null 2>&1 || missing="$missing ${pair#*:}"
done

if [ -z "$missing" ]; then
  echo 'Prerequisites: nothing is missing.'
  exit 0
fi

if command -v apt-get >/dev/null 2>&1; then
  install="apt-get install -y --no-install-recommends$missing"
  prepare='apt-get update'
elif command -v dnf >/dev/null 2>&1; then
  install="dnf install -y$missing"
  prepare=':'
elif command -v apk >/dev/null 2>&1; then
  install="apk add$missing"
  prepare=':'
elif command -v pacman >/dev/null 2>&1; then
  install="pacman -S --needed --noconfirm$missing"
  prepare=':'
else
  echo "Prerequisites: missing are$missing, and no package manager is known here; install them by hand." >&2
  exit 1
fi

if [ "$(id -u)" -ne 0 ]; then
  echo "Prerequisites: missing are$missing. Run as root: $prepare && $install" >&2
  exit 1
fi
echo "Prerequisites: installing$missing."
$prepare
$install
