#!/usr/bin/env bash
# Viaduct against Kamailio with the benchmark harness: CPU time and throughput
# of record-routed calls, over UDP and over TCP, and the memory of calls that ring.
#
#   BENCH=…/bench bench/compare.sh [options of the harness]
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
export BENCH=${BENCH:-$root/../shared/bench}
BENCH=$(cd "$BENCH" && pwd) || { echo "set BENCH to the directory of the harness" >&2; exit 1; }
[ -x "$BENCH/run" ] || { echo "there is no harness in $BENCH: set BENCH" >&2; exit 1; }
command -v "${KAMAILIO:-kamailio}" >/dev/null || { echo "kamailio is missing: apt-get install kamailio, or set KAMAILIO" >&2; exit 1; }
viaduct=$root/bench/targets/viaduct-stateful
# A warm-up of 5 s: Kamailio frees a transaction 5 s after its end.
"$BENCH/run" rr "$viaduct" kamailio-stateful --modes rate:1000,rate:3000,core:50 --warmup 5 "$@"
"$BENCH/run" rr "$viaduct" kamailio-stateful --modes park:20000 --rounds 1 "$@"
"$BENCH/run" rr-tcp "$root/bench/targets/viaduct-tcp" kamailio-tcp --modes rate:1000,rate:3000,core:50 --warmup 5 "$@"
