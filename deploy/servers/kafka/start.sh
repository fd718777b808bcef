#!/bin/sh
# Runs one Apache Kafka node for tests and benchmarks, small and quick to start. The node is killed when standard input is closed, so it
# always ends with the process that started it.
#
#   sh deploy/servers/kafka/start.sh SERVER.PROPERTIES CLUSTER-ID [OPTION OF THE FORMATTING ...]
#
# The script formats the node's folder unless that has been done. The folder remains when the node ends. The first line of output is the
# node's process id. KAFKA_LIB names the folder of the jars; the default is build/kafka/lib.
set -euf
LIB=${KAFKA_LIB:-$(cd "$(dirname "$0")/../../.." && pwd)/build/kafka/lib}
# Java runs without the archive if it is absent or belongs to another version of Java.
JAVA="java -cp $LIB/* -XX:SharedArchiveFile=$LIB/../classes.jsa -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Dorg.slf4j.simpleLogger.defaultLogLevel=warn"
properties=$1
cluster=$2
shift 2

$JAVA -Xmx128m kafka.tools.StorageTool format --ignore-formatted -t "$cluster" -c "$properties" "$@" >/dev/null </dev/null
# With this log level Kafka logs when it listens at a port.
exec sh "$(dirname "$0")/../../local/guard.sh" \
  $JAVA -Xmx512m -Dorg.slf4j.simpleLogger.log.kafka.network.DataPlaneAcceptor=info kafka.Kafka "$properties"
