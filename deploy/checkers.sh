#!/bin/sh
# Puts into build/checkers the programs that check the files of the deployment and the HTTP interface, unless they are there: the
# file parser of Docker Compose and kustomize, which Go builds; schemathesis, in a virtual environment of Python. The script installs
# nothing outside of that folder.
#
#   sh deploy/checkers.sh [--check]
#
# With --check it only prints what is missing, and fails if something is missing.
set -eu
COMPOSE_GO=v2.9.0
KUSTOMIZE=v5.8.1
SCHEMATHESIS=4.32.5

here=$(cd "$(dirname "$0")" && pwd)
outdir=$here/../build/checkers
PATH=$PATH:/usr/local/go/bin

missing=''
[ -x "$outdir/compose-spec" ] || missing="$missing compose-spec"
[ -x "$outdir/kustomize" ] || missing="$missing kustomize"
# A virtual environment contains the path of its folder: it does not start in a checkout that was moved.
starts() { "$outdir/schemathesis" --version >/dev/null 2>&1; }
starts || missing="$missing schemathesis"
if [ -z "$missing" ]; then
  echo 'Checkers: nothing is missing.'
  exit 0
fi
if [ "${1:-}" = --check ]; then
  echo "Checkers: these are missing:$missing. To install them: sh deploy/checkers.sh"
  exit 1
fi
for program in go python3; do
  command -v "$program" >/dev/null || { echo "Checkers: install $program; it is needed for$missing" >&2; exit 1; }
done

mkdir -p "$outdir"
work=$(mktemp -d "$outdir/work.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
# Each program is moved to its place when it is complete, so two runs at the same time do no harm.
if [ ! -x "$outdir/compose-spec" ]; then
  GOBIN=$work go install "github.com/compose-spec/compose-go/v2/cmd@$COMPOSE_GO"
  mv "$work/cmd" "$outdir/compose-spec"
fi
if [ ! -x "$outdir/kustomize" ]; then
  GOBIN=$work go install "sigs.k8s.io/kustomize/kustomize/v5@$KUSTOMIZE"
  mv "$work/kustomize" "$outdir/kustomize"
fi
if ! starts; then
  # A virtual environment cannot be moved, so it is made at its final place. The link is set when it is complete.
  venv=$(mktemp -d "$outdir/python.XXXXXX")
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check --no-compile "schemathesis==$SCHEMATHESIS"
  ln -sfn "${venv##*/}/bin/schemathesis" "$outdir/schemathesis"
fi
sh "$0" --check
