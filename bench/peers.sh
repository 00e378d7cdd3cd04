#!/usr/bin/env bash
# How much bad peers cost the others:
#
#   - the time from INVITE to 180 of calls whose peers are well: in quiet, beside
#     names that no DNS server answers for, beside 20 TCP peers that never read, beside
#     5,000 TCP connections that have sent half a message
#   - the same of calls whose first target refuses, is mute, or cannot be found
#   - calls by TLS while the server's certificate is exchanged: none may be lost
#
# It asserts that no call is lost, and prints the times.
#
#   bench/peers.sh [CALLS]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
VIADUCT_MEASURE_CALLS=${1:-4000} exec go test -count 1 -timeout 30m -v -run '^TestMeasure' ./e2e
