#!/bin/sh
# Makes a certificate authority, and certificates with roles: for the agents of the sites, and for the control plane, which sends
# them orders.
#
#   sh deploy/certificates.sh [--renew] FOLDER NAME[=ADDRESS,...]...
#   sh deploy/certificates.sh tls control oslo=192.0.2.10 bonn=192.0.2.20
#
# FOLDER gets ca.pem, and NAME.pem with NAME.key for each name. The name `control` gets the role control (OU=control), every other
# name the role site (OU=site). Existing certificates stay as they are; --renew replaces those that are named, with new keys.
#
#   sh deploy/certificates.sh --revoke FOLDER NAME...
#
# adds the present certificates of these names to FOLDER/crl.pem, the list of those that count no more. Then renew them.
set -eu
task=make
case ${1:-} in
  --renew | --revoke)
    task=${1#--}
    shift
    ;;
esac
[ $# -ge 2 ] || { echo "usage: $0 [--renew] FOLDER NAME[=ADDRESS,...]... | --revoke FOLDER NAME..." >&2; exit 2; }
command -v openssl >/dev/null || { echo "$0: openssl is missing; install the package openssl" >&2; exit 1; }

folder=$1
shift
# Checked before anything is made: names and addresses become part of a certificate.
for wanted in "$@"; do
  name=${wanted%%=*}
  case $name in
    '' | -* | .* | *[!A-Za-z0-9._-]* | ca | crl)
      echo "$0: \"$name\" cannot be the name of a certificate; use letters, digits, dots, dashes and underscores" >&2
      exit 2
      ;;
  esac
  case ${wanted#"$name"} in
    *[!0-9A-Fa-f.:,=]*)
      echo "$0: \"$wanted\": give IP addresses after $name=, separated by commas" >&2
      exit 2
      ;;
  esac
done
umask 077
mkdir -p "$folder"
cd "$folder"
if [ "$task" = revoke ]; then
  for name in "$@"; do
    [ -s "$name.pem" ] || { echo "$0: $name.pem is not there; nothing was revoked" >&2; exit 1; }
  done
fi

key() { openssl ecparam -name prime256v1 -genkey -noout -out "$1"; }

if [ ! -s ca.pem ]; then
  key ca.key
  openssl req -x509 -new -key ca.key -subj '/CN=Tagalong authority' -days 3650 -out ca.pem \
    -addext 'keyUsage=critical,keyCertSign,cRLSign'
fi

if [ "$task" = revoke ]; then
  # `openssl ca` needs its own record of revoked certificates, and the form of the list.
  touch revoked.txt
  failed=0
  printf '[ca]\ndefault_ca=ours\n[ours]\ndatabase=revoked.txt\ndefault_md=sha256\ndefault_crl_days=3650\n' >ca.cnf
  ours='-config ca.cnf -cert ca.pem -keyfile ca.key'
  for name in "$@"; do
    # shellcheck disable=SC2086
    said=$(openssl ca $ours -revoke "$name.pem" 2>&1) && continue
    case $said in
      *[Aa]'lready revoked'*) echo "$0: $name.pem is revoked already" >&2 ;;
      *) echo "$0: $name.pem cannot be revoked: $said" >&2; failed=1 ;;
    esac
  done
  # Also after a failure: the list must name all that are revoked.
  # shellcheck disable=SC2086
  openssl ca $ours -gencrl -out crl.pem.new 2>/dev/null
  mv crl.pem.new crl.pem
  rm -f ca.cnf
  exit $failed
fi

for wanted in "$@"; do
  name=${wanted%%=*}
  [ -s "$name.pem" ] && [ "$task" = make ] && continue
  names="DNS:$name"
  case $wanted in
    *=*) for address in $(echo "${wanted#*=}" | tr ',' ' '); do names="$names,IP:$address"; done ;;
  esac
  role=site
  [ "$name" = control ] && role=control
  key "$name.key.new"
  printf 'subjectAltName=%s\nextendedKeyUsage=clientAuth,serverAuth\nbasicConstraints=critical,CA:FALSE\n' "$names" >"$name.ext"
  openssl req -new -key "$name.key.new" -subj "/OU=$role/CN=$name" -out "$name.csr"
  openssl x509 -req -in "$name.csr" -CA ca.pem -CAkey ca.key -CAcreateserial -days 825 -extfile "$name.ext" -out "$name.pem.new" 2>/dev/null
  mv "$name.key.new" "$name.key"
  mv "$name.pem.new" "$name.pem"
  rm -f "$name.csr" "$name.ext"
done
