#!/bin/sh
# Installs Chromium, in which the tests open pages, with the distribution's package manager. Does nothing where there is one.
#
#   sh deploy/browser.sh [--check]
#
# With --check it only says what is missing and how to install it, and fails if something is.
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
  echo 'Browser: install Chromium by hand, or run as root where there is apt-get' >&2
  exit 1
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -q
apt-get install -y -q --no-install-recommends chromium
exec sh "$0" --check
