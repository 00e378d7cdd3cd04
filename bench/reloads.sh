#!/usr/bin/env bash
# 200 reloads under 300 calls a second: how many calls were lost, and whether
# descriptors, threads and memory are where they were. Then a restart with the
# same store in the middle of 60 calls: every BYE has to pass.
#
#   BENCH=…/bench bench/reloads.sh [RELOADS]
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
BENCH=${BENCH:-$root/../shared/bench}
BENCH=$(cd "$BENCH" && pwd)
reloads=${1:-200}
if [ -z "${VIADUCT_RELOADS:-}" ] && unshare -n true 2>/dev/null; then
	VIADUCT_RELOADS=1 BENCH=$BENCH exec unshare -n "${BASH_SOURCE[0]}" "$@"
fi
if [ -n "${VIADUCT_RELOADS:-}" ]; then ip link set lo up; fi
run=$(mktemp -d)
pids=()
finish() {
	for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
	wait 2>/dev/null || true
	rm -rf "$run"
}
trap finish EXIT
(cd "$BENCH/loadgen" && go build -o "$run/loadgen" .)
# Two configurations in turn: one has a listener and a rule more.
base="server { store = \"$run/store\" }
listen \"udp\" { address = \"127.0.0.1:5060\" }"
printf '%s\nrule "calls" { send = request_uri }\n' "$base" >"$run/a.hcl"
printf '%s\nlisten "udp" { address = "127.0.0.1:5062" }\nrule "none" {\n  when = dest.user == "nobody-at-all"\n  reply = "404"\n}\nrule "calls" { send = request_uri }\n' "$base" >"$run/b.hcl"
cp "$run/a.hcl" "$run/viaduct.hcl"
start() {
	"$root/bin/viaduct" run --socket "$run/sock" "$run/viaduct.hcl" >>"$run/log" 2>&1 &
	server=$!
	for _ in $(seq 200); do grep -q ":13C4 " /proc/net/udp && break; sleep 0.05; done
}
state() {
	echo "$1: $(ls "/proc/$server/fd" | wc -l) descriptors, $(awk '/^Threads/ { print $2 }' "/proc/$server/status") threads," \
		"$("$root/bin/viaduct" ctl --socket "$run/sock" metrics | awk '/^go_goroutines / { print $2 }') goroutines," \
		"$(awk '/^VmRSS/ { printf "%.1f", $2 / 1024 }' "/proc/$server/status") MiB"
}
figures() { grep -E '"(completed|failed|violations|uac_retransmissions)"' "$1" | tr -d ' \n'; echo; }

start
pids+=("$server")
"$run/loadgen" -scenario call -rr -rate 300 -ring 200ms -hold 1s -duration 40s -uac 127.0.0.1:5180 -uas 127.0.0.1:5170 >/dev/null 2>&1 # warm
sleep 34
state "before"
"$run/loadgen" -scenario call -rr -rate 300 -ring 200ms -hold 1s -duration 70s -uac 127.0.0.1:5180 -uas 127.0.0.1:5170 >"$run/calls" 2>&1 &
calls=$!
pids+=("$calls")
for n in $(seq "$reloads"); do
	[ $((n % 2)) = 1 ] && cp "$run/b.hcl" "$run/viaduct.hcl" || cp "$run/a.hcl" "$run/viaduct.hcl"
	"$root/bin/viaduct" reload --socket "$run/sock" >/dev/null
	sleep 0.2
done
wait "$calls" || true
echo "calls under $reloads reloads: $(figures "$run/calls")"
sleep 36 # 64*T1: what was finished is forgotten, and the last listener that went is closed
state "after "
echo "reloads: $("$root/bin/viaduct" ctl --socket "$run/sock" metrics | grep -E '^viaduct_(reloads_total|reloads_refused_total|listeners_retiring)' | tr '\n' ' ')"

"$run/loadgen" -scenario call -rr -rate 30 -n 60 -hold 8s -duration 40s -uac 127.0.0.1:5180 -uas 127.0.0.1:5170 >"$run/restart" 2>&1 &
calls=$!
pids+=("$calls")
sleep 4 # all 60 are answered
kill -TERM "$server"
wait "$server" || true
start
pids+=("$server")
wait "$calls" || true
echo "60 calls over a restart: $(figures "$run/restart")"
