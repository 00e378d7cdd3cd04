# What the measurements have in common that run a server of their own: sourced, with
# the arguments of the script. They take the harness from $BENCH and the server from
# $VIADUCT, run in a network namespace of their own when they may make one, put their
# files in $run and end all processes of $pids with themselves.
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
BENCH=$(cd "${BENCH:-$root/../shared/bench}" && pwd)
VIADUCT=${VIADUCT:-$root/bin/viaduct}
if [ -z "${VIADUCT_ALONE:-}" ] && unshare -n true 2>/dev/null; then
	VIADUCT_ALONE=1 BENCH=$BENCH VIADUCT=$VIADUCT exec unshare -n "$0" "$@"
fi
if [ -n "${VIADUCT_ALONE:-}" ]; then ip link set lo up; fi
run=$(mktemp -d)
pids=()
finish() {
	for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
	wait 2>/dev/null || true
	rm -rf "$run"
}
trap finish EXIT
(cd "$BENCH/loadgen" && go build -o "$run/loadgen" .)

# start_server: $server runs $run/viaduct.hcl and listens at port 5060.
start_server() {
	"$VIADUCT" run --socket "$run/sock" "$run/viaduct.hcl" >>"$run/log" 2>&1 &
	server=$!
	pids+=("$server")
	for _ in $(seq 200); do grep -q ":13C4 " /proc/net/udp && break; sleep 0.05; done
}

metrics() { "$VIADUCT" ctl --socket "$run/sock" metrics; }

# registrar PHONES [LISTENER]: a configuration with as many users, and listeners beside UDP.
registrar() {
	python3 - "$1" >"$run/users" <<'PY'
import hashlib, sys
for n in range(int(sys.argv[1])):
    print(f"u{n}:loadgen:MD5:" + hashlib.md5(f"u{n}:loadgen:secret".encode()).hexdigest())
PY
	chmod 600 "$run/users"
	cat >"$run/viaduct.hcl" <<EOF
server {
  domains = ["127.0.0.1"]
  store   = "$run/store"
}
listen "udp" { address = "127.0.0.1:5060" }
${2:-}
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
}
