# Sourced by the launchers of Viaduct as a registrar.
#
#   STORE=yes          bindings are durable before the 200
#   AUTH=yes           REGISTER needs digest: realm loadgen, user uN, password secret
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
. "${BENCH:-$root/../shared/bench}/targets/lib.sh"
store= users= authenticate=
if [ -n "${STORE:-}" ]; then store="store = \"$RUNDIR/store\""; fi
if [ -n "${AUTH:-}" ]; then
	users="users \"u\" {\n  realm = \"loadgen\"\n  file = \"$RUNDIR/users\"\n  algorithms = [\"MD5\"]\n}"
	authenticate='authenticate = users.u'
	python3 - >"$RUNDIR/users" <<-'PY'
		import hashlib
		for n in range(10000):
		    print(f"u{n}:loadgen:MD5:" + hashlib.md5(f"u{n}:loadgen:secret".encode()).hexdigest())
	PY
	chmod 600 "$RUNDIR/users"
fi
sed -e "s|@LISTEN@|$LISTEN|g" -e "s|@STORE@|$store|" -e "s|@USERS@|$users|" -e "s|@AUTHENTICATE@|$authenticate|" \
	"$root/bench/conf/viaduct-registrar.hcl" >"$RUNDIR/viaduct.hcl"
GOMAXPROCS=$CHILDREN "$root/bin/viaduct" run --socket "$RUNDIR/viaduct.sock" "$RUNDIR/viaduct.hcl" >"$RUNDIR/log" 2>&1 &
started $! 0.2
