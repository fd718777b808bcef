#!/bin/sh
# Makes a certificate authority, and certificates for the agents of the sites and for `control`, which sends them orders.
#
#   sh deploy/certificates.sh FOLDER NAME[=ADDRESS,...]...
#   sh deploy/certificates.sh tls control oslo=192.0.2.10 bonn=192.0.2.20
#
# FOLDER gets ca.pem, and NAME.pem with NAME.key for each name. Existing certificates stay as they are.
set -eu
[ $# -ge 2 ] || { echo "usage: $0 FOLDER NAME[=ADDRESS,...]..." >&2; exit 2; }
command -v openssl >/dev/null || { echo "$0: openssl is missing; install the package openssl" >&2; exit 1; }

folder=$1
shift
umask 077
mkdir -p "$folder"
cd "$folder"

key() { openssl ecparam -name prime256v1 -genkey -noout -out "$1"; }

if [ ! -s ca.pem ]; then
  key ca.key
  openssl req -x509 -new -key ca.key -subj '/CN=Tagalong authority' -days 3650 -out ca.pem \
    -addext 'keyUsage=critical,keyCertSign,cRLSign'
fi

for wanted in "$@"; do
  name=${wanted%%=*}
  [ -s "$name.pem" ] && continue
  names="DNS:$name"
  case $wanted in
    *=*) for address in $(echo "${wanted#*=}" | tr ',' ' '); do names="$names,IP:$address"; done ;;
  esac
  key "$name.key"
  printf 'subjectAltName=%s\nextendedKeyUsage=clientAuth,serverAuth\nbasicConstraints=critical,CA:FALSE\n' "$names" >"$name.ext"
  openssl req -new -key "$name.key" -subj "/CN=$name" -out "$name.csr"
  openssl x509 -req -in "$name.csr" -CA ca.pem -CAkey ca.key -CAcreateserial -days 825 -extfile "$name.ext" -out "$name.pem" 2>/dev/null
  rm -f "$name.csr" "$name.ext"
done
