#!/bin/sh
# readme.sh packed|checkout: puts the package's README, or again the checkout's, at the top. npm packs no README of another folder.
set -eu
cd "$(dirname "$0")/../.."
saved=.README.checkout.md

case "$1" in
  packed)
    # After an interrupted npm pack, the saved page is already the checkout's.
    [ -e "$saved" ] || mv README.md "$saved"
    cp deploy/package/README.md README.md
    ;;
  checkout)
    [ ! -e "$saved" ] || mv "$saved" README.md
    ;;
esac
