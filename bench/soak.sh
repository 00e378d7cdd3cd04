#!/usr/bin/env bash
# A soak: mixed traffic at 300 calls a second for half an hour. Calls and refusals
# and cancelled calls over UDP, calls over TCP whose connections come and go, calls
# to somebody who never answers, registrations with digest. Every ten seconds it
# notes the memory, descriptors and threads of the server; at the end it tells how
# much the memory has grown after the first five minutes, and what is left.
#
#   BENCH=…/bench bench/soak.sh [SECONDS]
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
BENCH=${BENCH:-$root/../shared/bench}
BENCH=$(cd "$BENCH" && pwd)
VIADUCT=${VIADUCT:-$root/bin/viaduct}
seconds=${1:-1800}
if [ -z "${VIADUCT_SOAK:-}" ] && unshare -n true 2>/dev/null; then
	VIADUCT_SOAK=1 BENCH=$BENCH VIADUCT=$VIADUCT exec unshare -n "${BASH_SOURCE[0]}" "$@"
fi
if [ -n "${VIADUCT_SOAK:-}" ]; then ip link set lo up; fi
run=$(mktemp -d)
pids=()
finish() {
	for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
	wait 2>/dev/null || true
	rm -rf "$run"
}
trap finish EXIT
(cd "$BENCH/loadgen" && go build -o "$run/loadgen" .)
python3 - >"$run/users" <<'PY'
import hashlib
for n in range(1000):
    print(f"u{n}:loadgen:MD5:" + hashlib.md5(f"u{n}:loadgen:secret".encode()).hexdigest())
PY
chmod 600 "$run/users"
cat >"$run/viaduct.hcl" <<EOF
server {
  domains = ["127.0.0.1"]
  store   = "$run/store"
}
listen "udp" { address = "127.0.0.1:5060" }
listen "tcp" { address = "127.0.0.1:5060" }
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
"$VIADUCT" run --socket "$run/sock" "$run/viaduct.hcl" >"$run/log" 2>&1 &
server=$!
pids+=("$server")
for _ in $(seq 200); do grep -q ":13C4 " /proc/net/udp && break; sleep 0.05; done

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
	done
) &
pids+=($!)
python3 - "$seconds" <<'PY' & # five calls a second to somebody who never answers
import socket, sys, time
mute = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); mute.bind(("127.0.0.1", 5199))
mute.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(("127.0.0.1", 5185))
end, n = time.time() + float(sys.argv[1]), 0
while time.time() < end:
    n += 1
    s.sendto((f"INVITE sip:mute@127.0.0.1:5199 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:5185;branch=z9hG4bKmute{n}\r\n"
              f"Max-Forwards: 70\r\nFrom: <sip:a@127.0.0.1>;tag=m{n}\r\nTo: <sip:mute@127.0.0.1>\r\nCall-ID: mute-{n}\r\n"
              f"CSeq: 1 INVITE\r\nContact: <sip:a@127.0.0.1:5185>\r\nContent-Length: 0\r\n\r\n").encode(), ("127.0.0.1", 5060))
    time.sleep(0.2)
PY
pids+=($!)

look() {
	local rss fds threads
	rss=$(awk '/^VmRSS/ { print $2 }' "/proc/$server/status")
	threads=$(awk '/^Threads/ { print $2 }' "/proc/$server/status")
	fds=$(ls "/proc/$server/fd" | wc -l)
	echo "$1 $rss $fds $threads" >>"$run/looks"
}
for at in $(seq 0 10 "$seconds"); do
	look "$at"
	[ "$at" -lt "$seconds" ] && sleep 10
	kill -0 "$server" || { echo "the server has ended"; cat "$run/log"; exit 1; }
done
for pid in "${pids[@]:1}"; do wait "$pid" || true; done
sleep 40 # 64*T1 and some: what was finished has been forgotten
look "$((seconds + 40))"
python3 - "$run/looks" "$seconds" <<'PY'
import statistics, sys
looks = [list(map(int, line.split())) for line in open(sys.argv[1])]
start = min(300, int(sys.argv[2]) // 3)
window = [l for l in looks if start - 60 <= l[0] <= start + 60]
last = [l for l in looks if int(sys.argv[2]) - 120 <= l[0] <= int(sys.argv[2])]
a, b = (statistics.median(l[1] for l in w) for w in (window, last))
print(f"memory: {a / 1024:.1f} MiB at {start} s, {b / 1024:.1f} MiB at the end, {(b - a) / 1024:+.2f} MiB; {looks[-1][1] / 1024:.1f} MiB after it")
print(f"descriptors {looks[0][2]} before, {max(l[2] for l in looks)} at most, {looks[-1][2]} after; threads {looks[-1][3]}")
PY
"$VIADUCT" ctl --socket "$run/sock" metrics | grep -E '^viaduct_(transactions\{|response_contexts|branches|targets|name_searches|in_setup|panics_total|connections)' || true
for f in calls reject cancel register tcp; do
	echo "$f: $(grep -E '"(completed|failed|violations)"' "$run/$f.json" | tr -d ' \n')"
done
[ -s "$run/tcp.failed" ] && echo "rounds of TCP that failed: $(wc -l <"$run/tcp.failed")"
exit 0
