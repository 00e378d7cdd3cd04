#!/usr/bin/env bash
# An avalanche: 100,000 phones register at once, with digest, into a durable store,
# while calls to others go on. Prints how long it took and what the calls felt.
#
#   BENCH=…/bench bench/avalanche.sh [PHONES [CALLS_A_SECOND]]
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/alone.sh"
phones=${1:-100000}
rate=${2:-100}
registrar "$phones"
start_server
cpu() { awk '{ print ($14 + $15) / 100 }' "/proc/$server/stat"; }
"$run/loadgen" -scenario call -rr -rate "$rate" -duration 25s -uac 127.0.0.1:5180 -uas 127.0.0.1:5170 >"$run/calls" 2>&1 &
calls=$!
before=$(cpu)
start=$(date +%s.%N)
"$run/loadgen" -scenario register -users "$phones" -n "$phones" -window 400 -password secret -duration 60s >"$run/registers" 2>&1 || true
stop=$(date +%s.%N)
echo "registered: $(metrics | awk '/^viaduct_registers_accepted_total/ { print $2 }') of $phones in $(awk "BEGIN { print $stop - $start }") s, $(awk "BEGIN { print ($(cpu) - $before) }") s of CPU"
cat "$run/registers"
wait "$calls" || true
echo "calls beside it, $rate a second:"
cat "$run/calls"
