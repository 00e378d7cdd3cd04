#!/usr/bin/env bash
# 200 reloads under 300 calls a second, twice: how many calls were lost, and whether
# descriptors, goroutines and memory are where they were. The same calls go through
# without reloads before, since the pools grow with the calls alone. Reloads leave
# garbage whose pages the runtime gives back later: the memory to compare is that of
# three minutes after. Then a restart with the same store in the middle of 60 calls:
# every BYE has to pass. It fails when a call or a reload does, and when descriptors or
# goroutines are left.
#
#   BENCH=…/bench [VIADUCT=PROGRAM] bench/reloads.sh [RELOADS]
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/alone.sh"
reloads=${1:-200}
# Two configurations in turn: one has a listener and a rule more.
base="server { store = \"$run/store\" }
listen \"udp\" { address = \"127.0.0.1:5060\" }"
printf '%s\nrule "calls" { send = request_uri }\n' "$base" >"$run/a.hcl"
printf '%s\nlisten "udp" { address = "127.0.0.1:5062" }\nrule "none" {\n  when = dest.user == "nobody-at-all"\n  reply = "404"\n}\nrule "calls" { send = request_uri }\n' "$base" >"$run/b.hcl"
cp "$run/a.hcl" "$run/viaduct.hcl"
# state NAME: what the server holds; descriptors and goroutines may not be more than at first.
state() {
	local all fds goroutines
	all=$(metrics)
	fds=$(ls "/proc/$server/fd" | wc -l)
	goroutines=$(awk '/^go_goroutines / { print $2 }' <<<"$all")
	most=${most:-$fds $goroutines}
	[ "$fds" -le "${most% *}" ] && [ "$goroutines" -le "${most#* }" ] || failed=1
	echo "$1: $fds descriptors, $(awk '/^Threads/ { print $2 }' "/proc/$server/status") threads, $goroutines goroutines," \
		"$(awk '/^go_memstats_heap_alloc_bytes / { printf "%.1f", $2 / 1048576 }' <<<"$all") MiB heap," \
		"$(awk '/^VmRSS/ { printf "%.1f", $2 / 1024 }' "/proc/$server/status") MiB"
}
figures() { grep -E '"(completed|failed|violations|uac_retransmissions)"' "$1" | tr -d ' \n'; echo; }

failed=0
# round NAME RELOADS: 70 seconds of calls, and that many reloads meanwhile.
round() {
	local calls n
	"$run/loadgen" -scenario call -rr -rate 300 -ring 200ms -hold 1s -duration 70s -uac 127.0.0.1:5180 -uas 127.0.0.1:5170 >"$run/calls" 2>&1 &
	calls=$!
	pids+=("$calls")
	for n in $(seq "$2"); do
		[ $((n % 2)) = 1 ] && cp "$run/b.hcl" "$run/viaduct.hcl" || cp "$run/a.hcl" "$run/viaduct.hcl"
		"$VIADUCT" reload --socket "$run/sock" >/dev/null || failed=1
		sleep 0.2
	done
	kill -0 "$calls" || { echo "the calls ended before the reloads"; failed=1; }
	wait "$calls" || failed=1
	echo "$1, $2 reloads: $(figures "$run/calls")"
	sleep 36 # 64*T1: what was finished is forgotten, and the last listener that went is closed
	state "after $1"
}

start_server
state "at first"
round "calls alone" 0
round "calls alone again" 0
round "first round" "$reloads"
round "second round" "$reloads"
sleep 180 # the runtime collects what lies idle every two minutes, and returns its pages after that
state "three minutes later"
echo "reloads: $(metrics | grep -E '^viaduct_(reloads_total|reloads_refused_total|listeners_retiring)' | tr -s ' \n' ' ')"

"$run/loadgen" -scenario call -rr -rate 30 -n 60 -hold 8s -duration 40s -uac 127.0.0.1:5180 -uas 127.0.0.1:5170 >"$run/restart" 2>&1 &
calls=$!
pids+=("$calls")
sleep 4 # all 60 are answered
kill -TERM "$server"
wait "$server" || true
start_server
wait "$calls" || failed=1
echo "60 calls over a restart: $(figures "$run/restart")"
exit "$failed"
