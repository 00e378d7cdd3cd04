#!/usr/bin/env bash
# Idle connections: 5,000 by TLS and 10,000 WebSockets, with 500 handshakes beside them
# that stall. It prints what one of them costs the server in memory, and fails when a
# call made meanwhile fails or breaks a rule, when a stalled handshake is not cut
# within 15 s, or when a connection does not answer any more in the end. Memory is
# looked at 130 s after the last connection of a kind was opened, because the collector
# runs every two minutes at least, and it runs at 10 % of garbage (GOGC) so that little of
# what is seen is garbage. QUIET=12s is for a trial.
#
#   BENCH=…/bench [VIADUCT=PROGRAM] bench/idle.sh [TLS [WS [STALLED]]]
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/alone.sh"
ulimit -n "$(ulimit -Hn)"
(cd "$root" && go build -o "$run/connections" ./bench/connections)
"$run/connections" certificates "$run"
cat >"$run/viaduct.hcl" <<HCL
listen "udp" { address = "127.0.0.1:5060" }
listen "ws" {
  address = "127.0.0.1:8080"
  origins = "*"
}
listen "tls" {
  address     = "127.0.0.1:5061"
  certificate = "$run/server.pem"
  key         = "$run/server.key"
}
rule "all" { send = request_uri }
HCL
export GOGC=${GOGC:-10}
start_server
calls() { # calls NAME SECONDS: at 100 a second
	"$run/loadgen" -scenario call -rr -rate 100 -duration "$2s" -uac 127.0.0.1:5180 -uas 127.0.0.1:5170 -proxy 127.0.0.1:5060 >"$run/calls"
	python3 - "$1" "$run/calls" <<'PY'
import json, sys
r = json.load(open(sys.argv[2]))
failed, violations = r["counts"]["failed"], r["violations"]
print(f"{sys.argv[1]}: {r['counts']['completed']} calls, {failed} failed, {violations} violations, p99 to 180 {r['post_dial_delay']['p99_us']:.0f} us")
sys.exit(bool(failed or violations))
PY
}
calls "in quiet" 10 # the pools of calls are made by then
mkfifo "$run/stay"
"$run/connections" idle -quiet "${QUIET:-130s}" -n-tls "${1:-5000}" -n-ws "${2:-10000}" -stalled "${3:-500}" -pids "$server" <"$run/stay" >"$run/idle" &
idle=$!
pids+=("$idle")
exec 9>"$run/stay"
until grep -q '^open$' "$run/idle"; do
	kill -0 "$idle" 2>/dev/null || { cat "$run/idle"; echo "the connections could not be opened"; exit 1; }
	calls "while connections are opened" 5
done
cat "$run/idle"
calls "beside idle connections" 10
exec 9>&-
wait "$idle" || { echo "not all is well with the idle connections"; metrics | grep -i 'connection\|handshake' | grep -v ' 0$\|^#'; tail -5 "$run/log"; exit 1; }
tail -n 1 "$run/idle"
