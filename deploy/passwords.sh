#!/bin/sh
# Makes fresh passwords for the NATS servers and for Grafana, each of 192 random bits, in a new folder:
#
#   sh passwords.sh FOLDER
#
#   passwords.conf   the passwords of the bus, for deploy/nats/accounts.conf
#   routes           the password of the connections between the servers, for deploy/nats/cluster.conf
#   routes.env       the same, for Docker Compose
#   login-NAME       "NAME:PASSWORD", for bus.auth.loginFile of the process NAME
#   grafana          the password of Grafana's user "admin"
#
# Only the owner can open the folder. Its files are readable, because containers run under other users.
set -eu

folder=${1:?give a folder that does not exist yet: sh passwords.sh FOLDER}
if [ -e "$folder" ]; then
  echo "$folder: exists already; remove it, or give another folder" >&2
  exit 1
fi
umask 022
mkdir -p "$folder"
chmod 700 "$folder"

secret() {
  head -c 24 /dev/urandom | base64 | tr '+/' '-_'
}

for name in ingest placement migrator monitor dashboard operator; do
  password=$(secret)
  variable=BUS_$(echo "$name" | tr a-z A-Z)
  echo "$variable: \"$password\"" >>"$folder/passwords.conf"
  printf '%s:%s' "$name" "$password" >"$folder/login-$name"
done
# It is also read from the environment, where NATS takes what begins with a digit for a number.
routes=p$(secret)
printf '%s' "$routes" >"$folder/routes"
echo "NATS_ROUTES_PASSWORD=$routes" >"$folder/routes.env"
printf '%s' "$(secret)" >"$folder/grafana"
