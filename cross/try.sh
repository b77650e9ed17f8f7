#!/usr/bin/env bash
# Runs the ARM binary that cross/dist.sh made under qemu-user: SQL answers as the native binary answers, and a message
# acknowledged by the broker is still there after a SIGKILL.
#
#   cross/try.sh aarch64-unknown-linux-gnu
set -euo pipefail
cd "$(dirname "$0")/.."

target=$1
case $target in
  aarch64-unknown-linux-gnu) qemu=qemu-aarch64-static gnu=aarch64-linux-gnu ;;
  armv7-unknown-linux-gnueabihf) qemu=qemu-arm-static gnu=arm-linux-gnueabihf ;;
  *) echo "cross/try.sh: no such target: $target" >&2; exit 2 ;;
esac
for program in $qemu:qemu-user-static mosquitto_pub:mosquitto-clients curl:curl; do
  command -v "${program%%:*}" >/dev/null && continue
  echo "installing: ${program##*:}"
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends "${program##*:}" >/dev/null
done

native=target/release/tidegate
arm=("$qemu" -L "/usr/$gnu" "target/cross/$target/release/tidegate")
directory=$(mktemp -d)
gateway=
finish() {
  [ -z "$gateway" ] || kill -KILL "$gateway" 2>/dev/null || true
  rm -rf "$directory"
}
trap finish EXIT

"${arm[@]}" --version
scripts=0
for script in tests/sql/scalar_*.sql tests/sql/window_tumble.sql tests/sql/window_hop.sql; do
  expected=0 got=0
  "$native" query -f "$script" >"$directory/native" 2>"$directory/native.err" || expected=$?
  "${arm[@]}" query -f "$script" >"$directory/arm" 2>"$directory/arm.err" || got=$?
  if [ "$expected" != "$got" ] || ! diff "$directory/native" "$directory/arm"; then
    echo "$script: exit code $got, natively $expected" >&2
    cat "$directory/arm.err" >&2
    exit 1
  fi
  [ "$expected" = 0 ] && [ -s "$directory/arm" ] || { echo "$script: no answer" >&2; cat "$directory/native.err" >&2; exit 1; }
  scripts=$((scripts + 1))
done
echo "$scripts scripts: the same rows as natively"

cat >"$directory/tidegate.toml" <<CONFIGURATION
[gateway]
id = "gw-arm"
data_dir = "$directory/data"

[admin]
listen = "127.0.0.1:19464"

[[broker.listener]]
bind = "127.0.0.1:11883"

[source.telemetry]
mqtt = "dev/{device}/telemetry"
schema = "n BIGINT"

[query.all]
sql = "SELECT device, n FROM telemetry"
into = { sink = "cloud", topic = "arm" }

[sink.cloud]
kafka = "127.0.0.1:1" # nobody: everything waits in the store
CONFIGURATION

start() {
  "${arm[@]}" run --config "$directory/tidegate.toml" 2>>"$directory/log" &
  gateway=$!
  for _ in $(seq 300); do
    curl -sf http://127.0.0.1:19464/healthz >/dev/null && return
    sleep 0.2
  done
  echo "the gateway does not answer:" >&2
  cat "$directory/log" >&2
  exit 1
}
pending() { curl -sf http://127.0.0.1:19464/metrics | sed -n 's/^tidegate_sink_pending_records{sink="cloud"} //p'; }

start
for n in $(seq 20); do
  # mosquitto_pub ends with success only after the PUBACK.
  mosquitto_pub -h 127.0.0.1 -p 11883 -q 1 -t dev/a/telemetry -m "{\"n\":$n}"
done
kill -KILL "$gateway"
wait "$gateway" 2>/dev/null || true
start
[ "$(pending)" = 20 ] || { echo "20 messages were acknowledged, $(pending) are there" >&2; exit 1; }
echo "20 messages acknowledged, SIGKILL, 20 still there"
kill -TERM "$gateway"
wait "$gateway"
gateway=
echo "cross/try.sh: $target works"
