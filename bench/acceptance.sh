#!/usr/bin/env bash
# The acceptance runs: 1,000 calls of sipp at 100 a second
#
#   1. through Viaduct, started as `make run` starts it
#   2. through that and a second Viaduct behind it
#   3. through that and a Kamailio behind it
#   4. through a Viaduct on UDP and TCP, between each pair of transports, with one
#      connection for all calls and with one for each; short calls that the caller
#      ends, and calls that both sides change and the callee ends
#
# For each it prints how many calls went through on both sides and how many
# messages sipp had to send again. It fails when a call does.
#
#   bench/acceptance.sh [CALLS [RATE]]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
calls=${1:-1000}
rate=${2:-100}

# In a network namespace of its own when it may have one, so that every port is free.
if [ -z "${VIADUCT_ACCEPTANCE:-}" ] && unshare -n true 2>/dev/null; then
	VIADUCT_ACCEPTANCE=1 exec unshare -n "${BASH_SOURCE[0]}" "$@"
fi
if [ -n "${VIADUCT_ACCEPTANCE:-}" ]; then ip link set lo up; fi

run=$(mktemp -d)
pids=()
finish() {
	local pid
	for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
	wait
	rm -rf "$run"
}
trap finish EXIT

# need COMMAND PACKAGE: installs the Debian package when the command is missing.
need() {
	command -v "$1" >/dev/null && return
	echo "installing $2, which has $1"
	apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$2"
}

# listens ADDRESS:PORT [tcp]: waits until somebody has the port, of UDP or of TCP.
listens() {
	local hex
	hex=$(printf ':%04X ' "${1##*:}")
	for _ in $(seq 200); do
		if [ "${2:-udp}" = tcp ]; then
			awk -v port="${hex% }" '$4 == "0A" && index($2, port) { found = 1 } END { exit !found }' /proc/net/tcp && return
		else
			grep -q "$hex" /proc/net/udp && return
		fi
		sleep 0.05
	done
	echo "nobody listens at $1" >&2
	cat "$run"/*.log >&2
	exit 1
}

# fill FILE LISTEN: prints a configuration of conf/ with its addresses filled in.
fill() { sed -e "s|@LISTEN@|$2|g" -e "s|@UAS@|127.0.0.1:5070|g" "bench/conf/$1"; }

# column FILE NAME: the last value of a column in the statistics of a sipp.
column() { awk -F ';' -v name="$2" 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == name) at = i } END { print $at }' "$1"; }

# round NAME HOST:PORT [PROXY USER CALLER CALLEE SCENARIOS]: calls HOST:PORT through
# a proxy. CALLER and CALLEE are transports as sipp names them, SCENARIOS are the
# files of caller and callee with * for uac and uas.
failed=0
round() {
	local side code=0 kind=udp proxy=${3:-127.0.0.1:5060} files=${7:-examples/sipp/*.xml}
	if [[ ${6:-u1} = t* ]]; then kind=tcp; fi
	sipp -sf "${files/\*/uas}" -t "${6:-u1}" -max_socket 4000 -i 127.0.0.1 -p 5070 -m "$calls" -nostdin -timeout 120 \
		-trace_stat -fd 1 -stf "$run/uas.csv" >"$run/uas.log" 2>&1 &
	local uas=$!
	listens 127.0.0.1:5070 $kind
	sipp -sf "${files/\*/uac}" -t "${5:-u1}" -max_socket 4000 -i 127.0.0.1 -p 5080 -s "${4:-100}" -rsa "$proxy" -m "$calls" -r "$rate" \
		-nostdin -timeout 120 -trace_stat -fd 1 -stf "$run/uac.csv" "$2" >"$run/uac.log" 2>&1 || code=$?
	kill -USR1 "$uas" 2>/dev/null || true
	wait "$uas" || true
	printf '%-46s' "$1"
	for side in uac uas; do
		printf '  %s %s of %s, %s sent again' "$side" "$(column "$run/$side.csv" 'SuccessfulCall(C)')" "$calls" \
			"$(column "$run/$side.csv" 'Retransmissions(C)')"
		[ "$(column "$run/$side.csv" 'SuccessfulCall(C)')" = "$calls" ] || failed=1
		rm -f "$run/$side.csv"
	done
	echo
	[ "$code" = 0 ] || failed=1
}

need sipp sip-tester
need kamailio kamailio

make -s run >"$run/viaduct.log" 2>&1 &
pids+=($!)
listens 127.0.0.1:5060

fill viaduct-behind.hcl 127.0.0.1:5062 >"$run/behind.hcl"
bin/viaduct run --socket "$run/behind.sock" "$run/behind.hcl" >"$run/behind.log" 2>&1 &
pids+=($!)
listens 127.0.0.1:5062

fill kamailio-behind.cfg 127.0.0.1:5064 >"$run/kamailio.cfg"
kamailio -f "$run/kamailio.cfg" -DD -E -m 64 -M 8 -Y "$run" -P "$run/kamailio.pid" >"$run/kamailio.log" 2>&1 &
pids+=($!)
listens 127.0.0.1:5064

fill viaduct-transports.hcl 127.0.0.1:5066 >"$run/transports.hcl"
bin/viaduct run --socket "$run/transports.sock" "$run/transports.hcl" >"$run/transports.log" 2>&1 &
pids+=($!)
listens 127.0.0.1:5066

echo "$calls calls at $rate a second, sipp to sipp, over UDP on loopback"
round "through make run" 127.0.0.1:5070
round "through make run and a second Viaduct" 127.0.0.1:5062
round "through make run and a Kamailio" 127.0.0.1:5064
echo "the same over TCP"
for pair in "udp to tcp, one connection:u1:t1:tcp" "tcp to udp, one connection:t1:u1:udp" "tcp to tcp, one connection:t1:t1:tcp" \
	"tcp to udp, one for each call:tn:u1:udp" "tcp to tcp, one for each call:tn:t1:tcp"; do
	IFS=: read -r name caller callee user <<<"$pair"
	round "$name" 127.0.0.1:5070 127.0.0.1:5066 "$user" "$caller" "$callee"
	round "$name, changed by both" 127.0.0.1:5070 127.0.0.1:5066 "$user" "$caller" "$callee" 'e2e/testdata/*-long.xml'
done
exit $failed
