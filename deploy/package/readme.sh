#!/bin/sh
# readme.sh packed|checkout: replaces README.md by that of the package, or restores that of the checkout. npm packs README.md of the top
# folder only.
set -eu
cd "$(dirname "$0")/../.."
saved=.README.checkout.md

case "$1" in
  packed)
    # After an interrupted npm pack, the checkout's page is already saved.
    [ -e "$saved" ] || mv README.md "$saved"
    cp deploy/package/README.md README.md
    ;;
  checkout)
    [ ! -e "$saved" ] || mv "$saved" README.md
    ;;
esac
