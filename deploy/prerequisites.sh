#!/bin/sh
# Installs what the tests need and npm does not bring: what real VMs on this host need, the servers of the buses, Prometheus and
# a browser. Does nothing where nothing is missing. A machine that cannot have it runs the other tests; only in CI is that a failure.
set -eu
cd "$(dirname "$0")"
status=0

if [ "$(uname)" != Linux ]; then
  echo 'Prerequisites: real VMs need Linux; their tests will be skipped.'
elif [ "$(id -u)" -ne 0 ]; then
  sh testbed/prerequisites.sh --check || echo 'Prerequisites: real VMs need root as well; their tests will be skipped.'
elif sh testbed/prerequisites.sh; then
  sh guest/build.sh
else
  echo 'Prerequisites: what real VMs need could not be installed; their tests will be skipped.' >&2
  status=1
fi

if ! sh servers/nats.sh; then
  echo 'Prerequisites: nats-server could not be had; its tests will be skipped.' >&2
  status=1
fi

if ! sh servers/prometheus.sh; then
  echo 'Prerequisites: Prometheus could not be had; its tests will be skipped.' >&2
  status=1
fi

if ! sh checkers.sh; then
  echo 'Prerequisites: what checks the deployment could not be built; its tests will be skipped.' >&2
  status=1
fi

if ! sh servers/kafka/prerequisites.sh; then
  echo 'Prerequisites: Apache Kafka could not be installed; its tests will be skipped.' >&2
  status=1
fi

if ! sh browser.sh; then
  echo 'Prerequisites: Chromium could not be installed; its tests will be skipped.' >&2
  status=1
fi

[ "$status" -eq 0 ] || [ "${CI:-}" != true ]
