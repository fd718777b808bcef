#!/bin/sh
# Brings what checks the files of the deployment, into build/checkers: the parser that Docker Compose reads its files with,
# and kustomize. Go builds both; nothing is installed on this machine. Does nothing where they are there already.
#
#   sh deploy/checkers.sh [--check]
#
# With --check it only says what is missing, and fails if something is.
set -eu
COMPOSE_GO=v2.9.0
KUSTOMIZE=v5.8.1

here=$(cd "$(dirname "$0")" && pwd)
outdir=$here/../build/checkers
PATH=$PATH:/usr/local/go/bin

missing=''
[ -x "$outdir/compose-spec" ] || missing="$missing compose-spec"
[ -x "$outdir/kustomize" ] || missing="$missing kustomize"
if [ -z "$missing" ]; then
  echo 'Checkers: nothing is missing.'
  exit 0
fi
if [ "${1:-}" = --check ]; then
  echo "Checkers: missing are$missing. Bring them with: sh deploy/checkers.sh"
  exit 1
fi
if ! command -v go >/dev/null; then
  echo "Checkers: Go is needed to build$missing" >&2
  exit 1
fi

mkdir -p "$outdir"
work=$(mktemp -d "$outdir/work.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
GOBIN=$work go install "github.com/compose-spec/compose-go/v2/cmd@$COMPOSE_GO"
GOBIN=$work go install "sigs.k8s.io/kustomize/kustomize/v5@$KUSTOMIZE"
# Whole or not at all, also where two do this at once.
mv "$work/cmd" "$outdir/compose-spec"
mv "$work/kustomize" "$outdir/kustomize"
sh "$0" --check
