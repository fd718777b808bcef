#!/bin/sh
# Runs a program that always ends with its parent process: the program is killed when its standard input is closed.
#
#   sh guard.sh PROGRAM [ARGUMENT ...]
#
# The first line on standard output is the program's process id. The script passes SIGTERM on, and exits with the program's status.
exec 3<&0
"$@" </dev/null 3<&- >&2 &
program=$!
echo "$program"
trap 'kill "$program" 2>/dev/null' TERM
{
  while read -r _; do :; done
  kill -KILL "$program" 2>/dev/null
} <&3 >/dev/null 2>&1 &
watcher=$!
# If a signal interrupts `wait`, the returned status is not the program's. Hence the loop.
while kill -0 "$program" 2>/dev/null; do
  wait "$program"
  status=$?
done
kill "$watcher" 2>/dev/null
exit "${status:-1}"
