# Functions for the verbs that put load on the guest. This file is not a verb: names of verbs contain no dot.

# Emulated processors are slow. Therefore all data comes from this block of random bytes, which is made once. Data from another offset
# of the block is different data.
NOISE=/run/noise
NOISE_OFFSETS=65536
# Each round over a file starts this many bytes later in the block.
OFFSET_STEP=4099
LARGEST_PIECE=1048576
SMALLEST_PIECE=65536

fail() {
  echo "$*" >&2
  exit 1
}

number() {
  case $1 in '' | *[!0-9]* | ??????????????*) fail "'$1' is no number of bytes" ;; esac
}

make_noise() {
  if [ -s "$NOISE" ]; then return; fi
  # Random bytes come at about 1 MB a second. Therefore the block repeats the same bytes five times, each time shifted within a page.
  dd if=/dev/urandom of="$NOISE.seed" bs=229376 count=1 iflag=fullblock status=none
  for copy in 1 12 123 1234 12345; do
    printf %s "$copy"
    cat "$NOISE.seed"
  done >"$NOISE.new"
  rm "$NOISE.seed"
  mv "$NOISE.new" "$NOISE"
}

# Fails unless the guest has so many bytes of free memory and a reserve.
require_free() {
  available=$(awk '/^MemAvailable:/ { print $2 * 1024 }' /proc/meminfo)
  [ "$1" -le $((available - 12582912)) ] || fail "the guest has only $available bytes of memory left"
}

stop() { # name
  [ -s "/run/$1.pid" ] || return 0
  read -r pid <"/run/$1.pid"
  rm -f "/run/$1.pid"
  kill "$pid" 2>/dev/null || return 0
  # When the process is gone, its last write has ended.
  while [ -d "/proc/$pid" ]; do usleep 20000; done
}

# Prints how many bytes have been written since the start.
written() { # name
  cat "/run/$1.total" 2>/dev/null || echo 0
}

# Rewrites FILE from its start to SIZE again and again, at about RATE bytes a second or as fast as the guest can.
rewrite() { # name, rate, file, size, conversions of dd
  make_noise
  piece=$(($2 / 10 / SMALLEST_PIECE * SMALLEST_PIECE))
  [ "$piece" -ge "$SMALLEST_PIECE" ] || piece=$SMALLEST_PIECE
  [ "$piece" -le "$LARGEST_PIECE" ] || piece=$LARGEST_PIECE
  pieces=$(($4 / piece))
  [ "$pieces" -gt 0 ] || fail "the size is to be $piece bytes at least at this rate"
  echo 0 >"/run/$1.total"
  echo "$piece $pieces" >"/run/$1.shape"
  (
    # `exec` closes the verb's output. A redirection of the function alone would keep it open, and the answer would not end.
    exec </dev/null >/dev/null 2>&1
    rewrite_forever "$@"
  ) &
  echo "$!" >"/run/$1.pid"
  # The services share the only processor with the writer and come first.
  renice -n 19 -p "$!" >/dev/null
}

rewrite_forever() { # as above
  trap 'exit 0' TERM
  at=0
  offset=0
  written=0
  total=0
  start=$(now)
  while :; do
    dd if="$NOISE" of="$3" bs="$piece" count=1 seek="$at" skip="$offset" iflag=skip_bytes,fullblock conv="$5"
    at=$((at + 1))
    if [ "$at" -ge "$pieces" ]; then
      at=0
      offset=$(((offset + OFFSET_STEP) % NOISE_OFFSETS))
    fi
    written=$((written + piece))
    total=$((total + piece))
    echo "$total" >"/run/$1.total"
    ahead=$((written * 100 / $2 - $(now) + start))
    if [ "$ahead" -gt 0 ]; then
      usleep $((ahead * 10000))
    elif [ "$ahead" -lt -50 ]; then
      # The writer was too slow, or the guest was suspended. Missed writes are not repeated.
      start=$(now)
      written=0
    fi
  done
}

now() { # hundredths of a second since the boot
  read -r up _ </proc/uptime
  fraction=${up#*.}
  echo "$((${up%.*} * 100 + ${fraction#0}))"
}
