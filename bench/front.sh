#!/usr/bin/env bash
# A stateless front of two in front of two stateful nodes: every packet goes to
# any machine of the front, five of a hundred go twice, and each call must stay
# together.
#
#   bench/front.sh [CALLS]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
VIADUCT_FRONT_CALLS=${1:-1000} exec go test -count 1 -timeout 10m -v -run TestAStatelessFrontKeepsCallsTogether ./e2e
