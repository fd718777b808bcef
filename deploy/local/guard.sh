#!/bin/sh
# Runs a program that does not outlive who started it, however that ended: it is killed when the standard input is closed.
#
#   sh guard.sh PROGRAM [ARGUMENT ...]
#
# The first line on the standard output is the program's process id; SIGTERM is passed on; ends as the program does.
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
# A `wait` that a signal interrupts returns no status of the program.
while kill -0 "$program" 2>/dev/null; do
  wait "$program"
  status=$?
done
kill "$watcher" 2>/dev/null
exit "${status:-1}"
