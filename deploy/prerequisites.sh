#!/bin/sh
# Installs what the tests need and npm does not install, unless it is there: QEMU and a guest for real VMs, the servers of the buses,
# Prometheus, checkers and a browser. If a part cannot be installed, its tests are skipped; in CI the script fails then.
set -eu
cd "$(dirname "$0")"
status=0

if [ "$(uname)" != Linux ]; then
  echo 'Prerequisites: real VMs need Linux. Their tests will be skipped.'
elif [ "$(id -u)" -ne 0 ]; then
  sh testbed/prerequisites.sh --check || echo 'Prerequisites: real VMs also need root. Their tests will be skipped.'
elif sh testbed/prerequisites.sh; then
  sh guest/build.sh
else
  echo 'Prerequisites: the programs for real VMs could not be installed. Their tests will be skipped.' >&2
  status=1
fi

if ! sh servers/nats.sh; then
  echo 'Prerequisites: nats-server could not be installed. Its tests will be skipped.' >&2
  status=1
fi

if ! sh servers/prometheus.sh; then
  echo 'Prerequisites: Prometheus could not be installed. Its tests will be skipped.' >&2
  status=1
fi

if ! sh checkers.sh; then
  echo 'Prerequisites: the checkers of the deployment could not be built. Their tests will be skipped.' >&2
  status=1
fi

if ! sh servers/kafka/prerequisites.sh; then
  echo 'Prerequisites: Apache Kafka could not be installed. Its tests will be skipped.' >&2
  status=1
fi

if ! sh browser.sh; then
  echo 'Prerequisites: Chromium could not be installed. Its tests will be skipped.' >&2
  status=1
fi

[ "$status" -eq 0 ] || [ "${CI:-}" != true ]
