#!/bin/sh
# Makes ARCHIVE, the loaded classes of Apache Kafka (JEP 350, Dynamic CDS Archives). A node that maps the archive starts with half the
# processor time. The script runs a node on loopback for some seconds. Java writes the archive when the node ends in order.
#
#   sh deploy/servers/kafka/classes.sh LIB ARCHIVE
set -euf
lib=$1
archive=$2
BROKER=39192
CONTROLLER=39193
START_S=60

folder=$(mktemp -d)
node=''
trap '[ -z "$node" ] || kill -9 "$node" 2>/dev/null; rm -rf "$folder"' EXIT
cat >"$folder/node.properties" <<END
process.roles=broker,controller
node.id=0
controller.quorum.voters=0@127.0.0.1:$CONTROLLER
listeners=PLAINTEXT://127.0.0.1:$BROKER,CONTROLLER://127.0.0.1:$CONTROLLER
controller.listener.names=CONTROLLER
log.dirs=$folder/data
END
java="java -cp $lib/* -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xmx512m"
$java kafka.tools.StorageTool format -t dGFnYWxvbmctY2xhc3Nlcw -c "$folder/node.properties" >/dev/null 2>&1
$java "-XX:ArchiveClassesAtExit=$folder/classes.jsa" kafka.Kafka "$folder/node.properties" >"$folder/log" 2>&1 &
node=$!
tries=0
until grep -q 'Kafka Server started' "$folder/log"; do
  tries=$((tries + 1))
  if [ "$tries" -gt $START_S ] || ! kill -0 "$node" 2>/dev/null; then
    echo "classes.sh: the node did not start: $(tail -n 1 "$folder/log")" >&2
    exit 1
  fi
  sleep 1
done
kill "$node"
# Java exits with the signal's status even after an orderly end.
wait "$node" || true
node=''
mv "$folder/classes.jsa" "$archive"
