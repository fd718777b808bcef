#!/bin/sh
# Installs what the tests of the Kafka adapters need, unless it is there: Java and Maven with the distribution's package manager,
# Apache Kafka with Maven into build/kafka, and an archive of Kafka's classes, which makes its start faster.
#
#   sh deploy/servers/kafka/prerequisites.sh [--check]
#
# With --check it installs nothing: it prints what is missing, and fails if something is missing.
set -eu
cd "$(dirname "$0")"
VERSION=$(sed -n 's/.*<kafka.version>\(.*\)<.*/\1/p' pom.xml)
BUILD=$(cd ../../.. && pwd)/build/kafka
LEAST_JAVA=17

java_version() { java -version 2>&1 | sed -n 's/.* version "\([0-9]*\).*/\1/p'; }
have=$(java_version || true)
missing=''
[ "${have:-0}" -ge $LEAST_JAVA ] || missing="$missing default-jre-headless"
jars=''
[ -e "$BUILD/$VERSION" ] || jars=yes
[ -z "$jars" ] || command -v mvn >/dev/null 2>&1 || missing="$missing maven"

archive=''
[ -e "$BUILD/classes.jsa" ] || archive=yes

if [ -z "$missing$jars$archive" ]; then
  echo 'Kafka: nothing is missing.'
  exit 0
fi
if [ "${1:-}" = --check ]; then
  [ -z "$missing" ] || echo "Kafka: these are missing:$missing."
  [ -z "$jars" ] || echo "Kafka: Apache Kafka $VERSION is not in build/kafka."
  [ -n "$jars" ] || [ -z "$archive" ] || echo 'Kafka: the archive of its classes is not in build/kafka.'
  echo 'To install what is missing (packages need root): sh deploy/servers/kafka/prerequisites.sh'
  exit 1
fi
if [ -n "$missing" ]; then
  if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null 2>&1; then
    echo "Kafka: this script needs root and apt-get to install packages. Install by hand:$missing" >&2
    exit 1
  fi
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -q
  # shellcheck disable=SC2086
  apt-get install -y -q --no-install-recommends $missing
fi
if [ -n "$jars" ]; then
  rm -rf "$BUILD"
  mvn -q -B dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$BUILD/lib"
  # This file marks a complete download.
  touch "$BUILD/$VERSION"
fi
# Without the archive Kafka only starts more slowly. An empty file prevents another attempt.
sh classes.sh "$BUILD/lib" "$BUILD/classes.jsa" || touch "$BUILD/classes.jsa"
exec sh prerequisites.sh --check
