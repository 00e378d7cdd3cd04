#!/usr/bin/env bash
# An avalanche: 100,000 phones register at once, with digest, into a durable store,
# while calls to others go on. Prints how long it took and what the calls felt.
#
#   BENCH=…/bench bench/avalanche.sh [PHONES [CALLS_A_SECOND]]
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
BENCH=${BENCH:-$root/../shared/bench}
BENCH=$(cd "$BENCH" && pwd)
phones=${1:-100000}
rate=${2:-100}
if [ -z "${VIADUCT_AVALANCHE:-}" ] && unshare -n true 2>/dev/null; then
	VIADUCT_AVALANCHE=1 BENCH=$BENCH exec unshare -n "${BASH_SOURCE[0]}" "$@"
fi
if [ -n "${VIADUCT_AVALANCHE:-}" ]; then ip link set lo up; fi
run=$(mktemp -d)
pid=
finish() {
	if [ -n "$pid" ]; then kill "$pid" 2>/dev/null || true; wait "$pid" 2>/dev/null || true; fi
	rm -rf "$run"
}
trap finish EXIT
(cd "$BENCH/loadgen" && go build -o "$run/loadgen" .)
python3 - "$phones" >"$run/users" <<'PY'
import hashlib, sys
for n in range(int(sys.argv[1])):
    print(f"u{n}:loadgen:MD5:" + hashlib.md5(f"u{n}:loadgen:secret".encode()).hexdigest())
PY
chmod 600 "$run/users"
cat >"$run/viaduct.hcl" <<EOF
server {
  domains = ["127.0.0.1"]
  store   = "$run/store"
}
listen "udp" { address = "127.0.0.1:5060" }
users "u" {
  realm      = "loadgen"
  file       = "$run/users"
  algorithms = ["MD5"]
}
rule "register" {
  when         = method == REGISTER
  authenticate = users.u
  register {}
}
rule "calls" { send = request_uri }
EOF
"$root/bin/viaduct" run --socket "$run/sock" "$run/viaduct.hcl" >"$run/log" 2>&1 &
pid=$!
for _ in $(seq 200); do grep -q ":13C4 " /proc/net/udp && break; sleep 0.05; done
cpu() { awk '{ print ($14 + $15) / 100 }' "/proc/$pid/stat"; }
"$run/loadgen" -scenario call -rr -rate "$rate" -duration 25s -uac 127.0.0.1:5180 -uas 127.0.0.1:5170 >"$run/calls" 2>&1 &
calls=$!
before=$(cpu)
start=$(date +%s.%N)
"$run/loadgen" -scenario register -users "$phones" -n "$phones" -window 400 -password secret -duration 60s >"$run/registers" 2>&1 || true
stop=$(date +%s.%N)
echo "registered: $("$root/bin/viaduct" ctl --socket "$run/sock" metrics | awk '/^viaduct_registers_accepted_total/ { print $2 }') of $phones in $(awk "BEGIN { print $stop - $start }") s, $(awk "BEGIN { print ($(cpu) - $before) }") s of CPU"
cat "$run/registers"
wait "$calls" || true
echo "calls beside it, $rate a second:"
cat "$run/calls"
