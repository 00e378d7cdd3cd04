#!/usr/bin/env bash
# A soak: mixed traffic at 300 calls a second for half an hour. Calls and refusals
# and cancelled calls over UDP, calls over TCP whose connections come and go, calls
# to somebody who never answers, registrations with digest. Every ten seconds it
# notes the memory, heap, descriptors, threads and goroutines of the server. It fails
# when a call does, when the memory has grown by 4 MiB (the median of the two minutes
# around the first five against that of the last two; not judged below 540 seconds),
# and when anything is left after the last call has been forgotten.
#
#   BENCH=…/bench [VIADUCT=PROGRAM] bench/soak.sh [SECONDS]
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/alone.sh"
seconds=${1:-1800}
registrar 1000 'listen "tcp" { address = "127.0.0.1:5060" }'
start_server
look() {
	local rss fds threads
	rss=$(awk '/^VmRSS/ { print $2 }' "/proc/$server/status")
	threads=$(awk '/^Threads/ { print $2 }' "/proc/$server/status")
	fds=$(ls "/proc/$server/fd" | wc -l)
	echo "$1 $rss $fds $threads $(metrics | awk '/^go_goroutines / { g = $2 } /^go_memstats_heap_inuse_bytes / { h = $2 / 1024 } END { printf "%d %d", g, h }')" >>"$run/looks"
}
metrics >"$run/first" # what is made at the first question is there then
look -1 # before any traffic

# each NAME OPTIONS…: one kind of traffic for the whole time.
each() {
	local name=$1
	shift
	"$run/loadgen" -duration "${seconds}s" "$@" >"$run/$name.json" 2>"$run/$name.err" &
	pids+=($!)
}
each calls -scenario call -rr -rate 160 -ring 1s -hold 5s -uac 127.0.0.1:5180 -uas 127.0.0.1:5170
each reject -scenario reject -rate 50 -uac 127.0.0.1:5181 -uas 127.0.0.1:5171
each cancel -scenario cancel -rate 50 -uac 127.0.0.1:5182 -uas 127.0.0.1:5172
each register -scenario register -users 1000 -rate 20 -password secret -uac 127.0.0.1:5183 -uas 127.0.0.1:5173
( # connections that come and go: ten seconds of calls, then others
	for n in $(seq $((seconds / 11))); do
		"$run/loadgen" -scenario call -transport tcp -rr -rate 35 -conns 20 -duration 10s -uac 127.0.0.1:5184 -uas 127.0.0.1:$((5200 + n % 100)) \
			>"$run/tcp.json" 2>"$run/tcp.err" || echo "$n" >>"$run/tcp.failed"
		cat "$run/tcp.json" >>"$run/tcp.all"
	done
) &
pids+=($!)
python3 - "$seconds" >"$run/mute" <<'PY' & # five calls a second to somebody who never answers
import re, socket, sys, time
mute = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); mute.bind(("127.0.0.1", 5199))
mute.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(("127.0.0.1", 5185))
proxy, ended = ("127.0.0.1", 5060), {}
def message(method, n, to):
    return (f"{method} sip:mute@127.0.0.1:5199 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:5185;branch=z9hG4bKmute{n}\r\n"
            f"Max-Forwards: 70\r\nFrom: <sip:a@127.0.0.1>;tag=m{n}\r\nTo: {to}\r\nCall-ID: mute-{n}\r\n"
            f"CSeq: 1 {method}\r\nContact: <sip:a@127.0.0.1:5185>\r\nContent-Length: 0\r\n\r\n").encode()
def listen(until): # every second final response is acknowledged: the others run into timer H
    while (left := until - time.time()) > 0:
        s.settimeout(left)
        try: answer = s.recv(65536).decode()
        except TimeoutError: return
        code, n = int(answer[8:11]), int(re.search(r"Call-ID: mute-(\d+)", answer)[1])
        if code < 200: continue
        ended[n] = code
        if n % 2: s.sendto(message("ACK", n, re.search(r"\nTo: ([^\r]*)", answer)[1]), proxy)
end, n = time.time() + float(sys.argv[1]), 0
while time.time() < end:
    n += 1
    s.sendto(message("INVITE", n, "<sip:mute@127.0.0.1>"), proxy)
    listen(time.time() + 0.2)
listen(time.time() + 36) # timer B of the last
late = sum(code != 408 for code in ended.values())
print(f'"violations":{late},"completed":{len(ended)},"failed":{n - len(ended)}')
PY
pids+=($!)

for at in $(seq 0 10 "$seconds"); do
	look "$at"
	[ "$at" -lt "$seconds" ] && sleep 10
	kill -0 "$server" || { echo "the server has ended"; cat "$run/log"; exit 1; }
done
for pid in "${pids[@]:1}"; do wait "$pid" || true; done
sleep 40 # timer H of the last mute call and some: what was finished has been forgotten
look "$((seconds + 76))"
metrics >"$run/metrics"
python3 - "$run" "$seconds" <<'PY'
import os, re, statistics, sys
run, seconds = sys.argv[1], int(sys.argv[2])
looks = [list(map(int, line.split())) for line in open(f"{run}/looks")]
bad = []
start = 300 if seconds >= 540 else seconds // 3
window = [l for l in looks if start - 60 <= l[0] <= start + 60 and l[0] >= 0]
last = [l for l in looks if seconds - 120 <= l[0] <= seconds]
for name, column in ("memory", 1), ("heap", 5):
    a, b = (statistics.median(l[column] for l in w) / 1024 for w in (window, last))
    print(f"{name}: {a:.1f} MiB at {start} s, {b:.1f} MiB at the end, {b - a:+.2f} MiB; {looks[-1][column] / 1024:.1f} MiB after it")
    if name == "memory" and b - a >= 4 and seconds >= 540: bad.append("the memory has grown")
for at in range(0, seconds - 239, 300): # what the two medians would not show: whether it climbs
    part = [l for l in looks if at <= l[0] < at + 300]
    print(f"  {at:5} s: " + ", ".join(f"{name} {statistics.median(l[c] for l in part) / 1024:.1f} MiB" for name, c in (("memory", 1), ("heap", 5))))
for name, column in ("descriptors", 2), ("threads", 3), ("goroutines", 4):
    print(f"{name}: {looks[0][column]} before, {max(l[column] for l in looks)} at most, {looks[-1][column]} after")
    if name != "threads" and looks[-1][column] > looks[0][column]: bad.append(f"{name} are left")
zero = re.compile(r"viaduct_(transactions\{|transactions_under_way|response_contexts|branches|targets|name_searches|in_setup|panics_total"
                  r"|connections\{|messages_parked |flows_waited_on|dns_waiting|store_waiting)")
for line in open(f"{run}/metrics"):
    if zero.match(line):
        name, value = line.rsplit(None, 1)
        print(f"  {name} {value}")
        if float(value): bad.append(f"{name} is {value}")
for name in "calls", "reject", "cancel", "register", "tcp.all", "mute":
    path = f"{run}/{name}" if name in ("tcp.all", "mute") else f"{run}/{name}.json"
    text = open(path).read() if os.path.exists(path) else ""
    sums = {w: sum(map(int, re.findall(rf'"{w}": *(\d+)', text))) for w in ("completed", "failed", "violations")}
    print(f"{name.removesuffix('.all')}: " + ", ".join(f"{v} {w}" for w, v in sums.items()))
    if sums["failed"] or sums["violations"] or not sums["completed"]: bad.append(f"{name}: {sums}")
if os.path.exists(f"{run}/tcp.failed"): bad.append("rounds of TCP failed")
grew = "nothing grew" if seconds >= 540 else "too short to judge the memory (540 s)"
print("verdict:", "; ".join(bad) or f"{grew}, nothing failed, nothing is left")
sys.exit(bool(bad))
PY
