#!/bin/sh
# Runs one Apache Kafka node for tests and benchmarks: small, quick to start, no further settings. It is killed when its
# standard input ends, and so with the process that started it, also after a crash.
#
#   sh deploy/servers/kafka/start.sh SERVER.PROPERTIES CLUSTER-ID [OPTION OF THE FORMATTING ...]
#
# Its directory is formatted where it has not been; an end of the node leaves it as it is. The first line it prints is
# the node's process id. KAFKA_LIB names another folder of jars than build/kafka/lib.
set -euf
LIB=${KAFKA_LIB:-$(cd "$(dirname "$0")/../../.." && pwd)/build/kafka/lib}
# Java runs without the archive if it is absent or belongs to another version of Java.
JAVA="java -cp $LIB/* -XX:SharedArchiveFile=$LIB/../classes.jsa -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Dorg.slf4j.simpleLogger.defaultLogLevel=warn"
properties=$1
cluster=$2
shift 2

$JAVA -Xmx128m kafka.tools.StorageTool format --ignore-formatted -t "$cluster" -c "$properties" "$@" >/dev/null </dev/null
# It says when it listens at a port.
exec sh "$(dirname "$0")/../../local/guard.sh" \
  $JAVA -Xmx512m -Dorg.slf4j.simpleLogger.log.kafka.network.DataPlaneAcceptor=info kafka.Kafka "$properties"
