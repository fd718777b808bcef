#!/bin/sh
# The first process of the user-mode Linux that delays packets. It loads modules and sets up the network.
#
#   uml-init.sh FOLDER     FOLDER/ip and FOLDER/tc contain commands for ip -batch and tc -batch
export PATH=/usr/sbin:/usr/bin:/sbin:/bin

fail() {
  echo "delay: $*"
  exec sleep 1 # the kernel ends with its first process: this gives the message time to be printed
}

mount -t proc proc /proc || fail 'no /proc'
modules=/usr/lib/uml/modules/$(uname -r)/kernel/net/sched
for module in sch_netem sch_ingress cls_u32 act_mirred; do
  insmod "$modules/$module.ko" || fail "no module $modules/$module.ko"
done
said=$(ip -batch "$1/ip" 2>&1) || fail "ip: $said"
said=$(tc -batch "$1/tc" 2>&1) || fail "tc: $said"
echo 'delay: ready'
# Runs until the process that started it closes standard input.
read -r _
