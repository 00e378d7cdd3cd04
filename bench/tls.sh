#!/usr/bin/env bash
# What a call costs over TLS, beside Kamailio: caller and callee are on TLS, each with
# connections that stay open. The servers take turns, each round with a new one, and
# for each the CPU time of a call is printed, with the time from INVITE to 180. It
# fails when a call does, or when a message breaks a rule.
#
#   BENCH=…/bench bench/tls.sh [CALLS [RATE [ROUNDS]]]      # 10,000, 500 a second, 3
#
# Kamailio needs its TLS module: apt-get install kamailio-tls-modules.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
export BENCH=$(cd "${BENCH:-$root/../shared/bench}" && pwd)
if [ -z "${VIADUCT_ALONE:-}" ] && unshare -n true 2>/dev/null; then
	VIADUCT_ALONE=1 exec unshare -n "$0" "$@"
fi
if [ -n "${VIADUCT_ALONE:-}" ]; then ip link set lo up; fi
calls=${1:-10000} rate=${2:-500} rounds=${3:-3}
export TLS=$(mktemp -d) LISTEN=127.0.0.1:21061 UAS=127.0.0.1:21071 CHILDREN=${CHILDREN:-2}
server=
finish() {
	for pid in $server; do kill "$pid" 2>/dev/null || true; done
	rm -rf "$TLS"
}
trap finish EXIT
(cd "$root" && go build -o "$TLS/connections" ./bench/connections)
"$TLS/connections" certificates "$TLS"
for round in $(seq "$rounds"); do
	for target in viaduct-tls kamailio-tls; do
		export RUNDIR=$TLS/$target-$round
		mkdir "$RUNDIR"
		server=$("$root/bench/targets/$target")
		printf '%s %s ' "$round" "$target"
		"$TLS/connections" calls -certificates "$TLS" -proxy "$LISTEN" -callee "$UAS" -calls "$calls" -rate "$rate" -pids "${server% }"
		for pid in $server; do kill "$pid" 2>/dev/null || true; done
		for pid in $server; do while kill -0 "$pid" 2>/dev/null; do sleep 0.1; done; done
		server=
	done
done
