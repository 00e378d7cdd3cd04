//go:build unix

package sqlite_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"viaduct/internal/clock"
	"viaduct/internal/flow"
	"viaduct/internal/location"
	"viaduct/internal/location/sqlite"
)

// phones fills a file with bindings of ordinary size.
func phones(b *testing.B, n int) (path string) {
	b.Helper()
	path = filepath.Join(b.TempDir(), "bench.db")
	s := open(b, path)
	ends := clock.Today().Add(time.Hour).UnixMilli()
	var ops []location.Op
	for i := range n {
		ops = append(ops, location.Op{Row: location.Row{AOR: fmt.Appendf(nil, "sip:user%07d@pbx.example.org", i), EndsAt: ends, UpdatedAt: ends}})
		ops[len(ops)-1].Row.Binding = location.Binding{
			ID: uint64(i + 1), Contact: fmt.Appendf(nil, "sip:user%07d@192.168.178.%d:5062;transport=udp", i, i%250),
			Params: fmt.Appendf(nil, `;+sip.instance="<urn:uuid:00000000-0000-1000-8000-%012x>";reg-id=1`, i),
			CallID: fmt.Appendf(nil, "%016x%016x@192.168.178.20", i, i), Instance: fmt.Appendf(nil, "urn:uuid:00000000-0000-1000-8000-%012x", i),
			UserAgent: []byte("Acme Desk Phone 750 4.1.2.3"), CSeq: 1, RegID: 1, Q: 1000, Flags: location.NAT | location.Outbound,
			Flow: flow.Flow{
				Local: netip.MustParseAddrPort("192.0.2.1:5060"), Protocol: flow.UDP,
				Remote: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 5062),
			},
		}
		if len(ops) == 10_000 || i == n-1 {
			apply(b, s, ops...)
			ops = ops[:0]
		}
	}
	closed(b, s)
	return path
}

// BenchmarkStart reads a million bindings: 4 to 5 s, most of it in SQLite.
func BenchmarkStart(b *testing.B) {
	for _, n := range []int{10_000, 1_000_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			path := phones(b, n)
			for b.Loop() {
				s := open(b, path)
				d := location.New(location.Config{Store: s, Listener: func(flow.Flow) (flow.Listener, bool) { return 1, true }}, nil)
				if err := d.Load(nil); err != nil || d.Stats().Bindings != n {
					b.Fatal(err, d.Stats())
				}
				closed(b, s)
			}
		})
	}
}

// cpu is what this process has used, in the kernel too.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkRefresh is the store's part of a REGISTER that changes nothing but the
// expiry, in groups as they come at 250, 2,000 and 16,000 a second.
func BenchmarkRefresh(b *testing.B) {
	const rows = 300_000
	s, err := sqlite.Open(sqlite.Config{Path: phones(b, rows)})
	if err != nil {
		b.Fatal(err)
	}
	defer closed(b, s)
	for _, group := range []int{1, 8, 64} {
		b.Run(fmt.Sprint("group-", group), func(b *testing.B) {
			r := rand.New(rand.NewPCG(1, 1))
			ops := make([]location.Op, group)
			now := clock.Today().UnixMilli()
			b.ReportAllocs()
			done, began := 0, cpu(b)
			for b.Loop() {
				for i := range ops {
					ops[i] = location.Op{Kind: location.Refresh, Row: location.Row{EndsAt: now + int64(done), UpdatedAt: now}}
					ops[i].Row.Binding.ID = 1 + r.Uint64N(rows)
				}
				apply(b, s, ops...)
				done += group
			}
			b.ReportMetric(float64((cpu(b)-began).Nanoseconds())/1000/float64(done), "µs-cpu/refresh")
		})
	}
}
