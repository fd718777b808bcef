#!/bin/sh
# Installs Chromium with the distribution's package manager, unless it is installed. The browser tests need it.
#
#   sh deploy/browser.sh [--check]
#
# With --check it installs nothing: it prints what is missing, and fails if something is missing.
set -eu

for name in chromium chromium-browser google-chrome; do
  if command -v "$name" >/dev/null 2>&1; then
    echo 'Browser: nothing is missing.'
    exit 0
  fi
done
if [ "${1:-}" = --check ]; then
  echo 'Browser: Chromium is missing. Install it, as root, with: sh deploy/browser.sh'
  exit 1
fi
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null 2>&1; then
  echo 'Browser: Chromium cannot be installed here: this script needs root and apt-get. Install it by hand.' >&2
  exit 1
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -q
apt-get install -y -q --no-install-recommends chromium
exec sh "$0" --check
