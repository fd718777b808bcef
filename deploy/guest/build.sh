#!/bin/sh
# Builds the guest of the test bed from packages of Debian, unless it is up to date: OUTDIR/kernel and OUTDIR/initrd.img, a machine that
# runs entirely in RAM. The packages are stored in a folder beside OUTDIR; delete that folder to download newer ones. The script installs
# nothing on this machine.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
outdir=${1:-$here/../../build/guest}
KERNEL=linux-image-cloud-amd64
PACKAGES='busybox ipsvd iproute2 libmptcpwrap0'
# Modules of the kernel package that the guest needs. Their dependencies are determined below.
MODULES='virtio_pci virtio_net virtio_console virtio_blk tcp_diag mptcp_diag'

die() {
  echo "build.sh: $*" >&2
  exit 1
}

for tool in apt-get apt-cache dpkg-deb gzip lz4 od; do
  command -v "$tool" >/dev/null || die "$tool is missing; the guest is built on Debian (or a container of it), for amd64"
done
[ "$(dpkg --print-architecture)" = amd64 ] || die 'the guest is built on amd64 only'

mkdir -p "$outdir"
outdir=$(cd "$outdir" && pwd)
cache=$(dirname "$outdir")/guest-packages
inputs=$(cd "$here" && cat build.sh tagalong-guest image/* verbs/* | sha256sum | cut -d ' ' -f 1)
done_already() {
  [ -s "$outdir/kernel" ] && [ -s "$outdir/initrd.img" ] && [ -d "$cache/root" ] &&
    [ "$(cat "$outdir/inputs.sha256" 2>/dev/null)" = "$inputs" ]
}
if done_already; then
  echo "The guest is up to date: $outdir"
  exit 0
fi

# The lock prevents a second build at the same time, which would mix its files with those of this one.
tries=0
until mkdir "$outdir/lock" 2>/dev/null; do
  tries=$((tries + 1))
  [ "$tries" -lt 120 ] || die "another build is at work in $outdir; if none is, remove $outdir/lock"
  sleep 1
done
trap 'rm -rf "$outdir/lock"' EXIT
trap 'exit 1' HUP INT TERM
if done_already; then
  echo "The guest is up to date: $outdir"
  exit 0
fi
work=$(mktemp -d "$outdir/work.XXXXXX")
trap 'rm -rf "$work" "$outdir/lock"' EXIT

# The package to which the kernel's meta-package refers, and all packages whose libraries the programs may load.
wanted() {
  apt-cache depends "$KERNEL" 2>/dev/null | sed -n 's/^ *Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1
  # shellcheck disable=SC2086
  apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces --no-enhances \
    $PACKAGES 2>/dev/null | grep '^lib'
  printf '%s\n' $PACKAGES
}

download() {
  wanted | sort -u >"$work/names"
  grep -q '^linux-image-' "$work/names" && grep -q '^libc6' "$work/names" || return 1
  # As root, apt would let another user download, who may not write here.
  (cd "$work/debs" && xargs apt-get -q -o APT::Sandbox::User=root download <"$work/names") >"$work/log" 2>&1
}

if [ ! -d "$cache/root" ]; then
  mkdir "$work/debs" "$work/root"
  if ! download; then
    # The list of packages is absent or out of date.
    [ "$(id -u)" -eq 0 ] || die "the packages cannot be had; try again after: apt-get update (as root)"
    apt-get -q update >"$work/log" 2>&1 || true
    download || die "the packages cannot be had: $(tail -n 1 "$work/log")"
  fi
  for deb in "$work"/debs/*.deb; do dpkg-deb -x "$deb" "$work/root"; done
  rm -rf "$cache"
  mkdir "$cache"
  mv "$work/root" "$cache/root"
fi
root=$cache/root

# The one file of the packages whose path ends like this: distributions move files between / and /usr.
unpacked() {
  file=$(find "$root" \( -type f -o -type l \) -path "*/$1" | head -n 1)
  [ -n "$file" ] || die "no package brings $1; delete $cache and try again"
  echo "$file"
}

tree=$work/tree
mkdir -p "$tree/bin" "$tree/lib64" "$tree/lib/x86_64-linux-gnu" "$tree/modules" "$tree/etc/tagalong/verbs.d" "$tree/www" \
  "$tree/proc" "$tree/sys" "$tree/dev" "$tree/run" "$tree/tmp" "$tree/root"

# Copies programs, and the libraries that the packages' own loader finds for them.
busybox=$(unpacked bin/busybox)
loader=$(unpacked x86_64-linux-gnu/ld-linux-x86-64.so.2)
libraries=$root/lib/x86_64-linux-gnu:$root/usr/lib/x86_64-linux-gnu
run() { "$loader" --library-path "$libraries" "$@"; }
cp -L "$loader" "$tree/lib64/"
cp -L "$(unpacked libmptcpwrap.so.0)" "$tree/lib/"
for program in "$busybox" "$(unpacked bin/tcpsvd)" "$(unpacked bin/ip)" "$(unpacked bin/ss)"; do
  cp "$program" "$tree/bin/"
  run --list "$program" >"$work/list"
  ! grep 'not found' "$work/list" >&2 || die "a library of $program is missing; delete $cache and try again"
  awk '$2 == "=>" && $1 !~ /\// { print $1, $3 }' "$work/list" >>"$work/libraries"
done
sort -u "$work/libraries" | while read -r name file; do cp -L "$file" "$tree/lib/x86_64-linux-gnu/$name"; done
for applet in $(run "$busybox" --list); do
  [ -e "$tree/bin/$applet" ] || ln -s busybox "$tree/bin/$applet"
done

# Prints the modules in the order in which they can be loaded. A module without a file is built into the kernel.
module() {
  case " $seen " in *" $1 "*) return ;; esac
  seen="$seen $1"
  ko=$(find "$root" -type f -path '*/lib/modules/*' -name "$(echo "$1" | sed 's/[-_]/[-_]/g').ko*" | head -n 1)
  [ -n "$ko" ] || return 0
  case $ko in
  *.xz) xz -dc "$ko" >"$tree/modules/$1.ko" ;;
  *.zst) zstd -qdc "$ko" >"$tree/modules/$1.ko" ;;
  *) cp "$ko" "$tree/modules/$1.ko" ;;
  esac
  for needed in $(tr '\0' '\n' <"$tree/modules/$1.ko" | sed -n 's/^depends=//p' | tr ',' ' '); do module "$needed"; done
  echo "$1.ko" >>"$tree/modules/order"
}
seen=''
for name in $MODULES; do module "$name"; done
grep -q '^virtio_net.ko' "$tree/modules/order" || die 'the kernel package brings no virtio_net'

install -m 755 "$here/image/init" "$tree/init"
install -m 644 "$here/image/inittab" "$tree/etc/"
install -m 644 "$here/image/index.html" "$tree/www/"
install -m 755 "$here/tagalong-guest" "$tree/bin/"
install -m 755 "$here"/verbs/* "$tree/etc/tagalong/verbs.d/"

# The guest's busybox packs the image, so this machine needs no cpio.
(cd "$tree" && find . | sort | run "$busybox" cpio -o -H newc -R 0:0) 2>"$work/log" | gzip -n -9 >"$work/initrd.img" ||
  die "packing failed: $(tail -n 1 "$work/log")"

# Prints a little-endian number of the kernel's header in decimal.
header() { od -A n -t "u$2" -j "$1" -N "$2" "$image" | tr -d ' '; }

# The guest gets an unpacked kernel, because unpacking makes the boot a fifth longer under emulation. For the offsets of setup_sects,
# payload_offset and payload_length see Documentation/arch/x86/boot.rst of Linux. The last four bytes of the payload are its unpacked size.
image=$(unpacked "boot/vmlinuz-*")
begin=$((($(header $((0x1f1)) 1) + 1) * 512 + $(header $((0x248)) 4)))
length=$(($(header $((0x24c)) 4) - 4))
tail -c "+$((begin + 1))" "$image" | head -c "$length" >"$work/packed"
if [ "$(od -A n -t x4 -N 4 "$work/packed" | tr -d ' ')" = 184c2102 ]; then
  lz4 -d -q "$work/packed" "$work/kernel" || die "the kernel cannot be unpacked: $image"
else
  cp "$image" "$work/kernel"
fi
mv "$work/kernel" "$work/initrd.img" "$outdir/"
echo "$inputs" >"$outdir/inputs.sha256"
echo "Built $outdir: kernel $(wc -c <"$outdir/kernel") bytes, initrd $(wc -c <"$outdir/initrd.img") bytes"
