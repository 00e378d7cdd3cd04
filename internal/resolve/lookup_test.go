package resolve

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"viaduct/internal/clock"
)

// Proves: NH-17
func TestAliasesAreFollowed(t *testing.T) {
	t.Parallel()
	const text = `
one.example 300 CNAME two.example
two.example 300 CNAME three.example
three.example 300 A 192.0.2.1
loop1.example 300 CNAME loop2.example
loop2.example 300 CNAME loop1.example
self.example 300 CNAME self.example
void.example 300 CNAME nowhere.example
NX nowhere.example
odd.example 300 CNAME odd!name
`
	var chain strings.Builder
	for i := range 12 {
		fmt.Fprintf(&chain, "c%d.example 300 CNAME c%d.example\n", i, i+1)
	}
	chain.WriteString("c12.example 300 A 192.0.2.2\n")
	for _, c := range []struct{ name, host, want string }{
		{"a chain, a question for each link", "one.example", "udp:192.0.2.1:5060"},
		{"a loop of two", "loop1.example", "the servers could not answer"},
		{"a loop of one", "self.example", "the servers could not answer"},
		{"an alias of nothing", "void.example", "no such name"},
		{"an alias of what is no name", "odd.example", "no such name"},
		{"a chain that is too long", "c0.example", "the servers could not answer"},
		{"a chain that is just short enough", "c4.example", "udp:192.0.2.2:5060"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				z := newZone(t, text+chain.String())
				b := newBench(t, z, Config{})
				b.ask(t, queryOf(t, c.host+":5060", "udp4"), 1)
				synctest.Wait()
				if got := b.answer(1); got != c.want {
					t.Errorf("%s: got %q, want %q", c.host, got, c.want)
				}
				if n := len(z.questions()); n > maxLinks+1 {
					t.Errorf("%s: asked %d times", c.host, n)
				}
			})
		})
	}
}

func TestChase(t *testing.T) {
	t.Parallel()
	alias := func(name, to string, ttl uint32) Record {
		return Record{Name: name, Type: TypeCNAME, TTL: ttl, Target: to}
	}
	addr := func(name string, ttl uint32) Record {
		return Record{Name: name, Type: TypeA, TTL: ttl, Addr: loopback[1]}
	}
	loop := []Record{alias("q", "b", 9), alias("b", "q", 9)}
	for _, c := range []struct {
		name    string
		records []Record
		found   int
		end     string
		links   int
		ttl     uint32
	}{
		{"records of the name", []Record{addr("q", 60), addr("q", 50), addr("x", 5)}, 2, "q", 0, 50},
		{"a chain in any order, its shortest TTL", []Record{addr("c", 70), alias("b", "c", 40), alias("q", "b", 80)}, 1, "c", 2, 40},
		{"a chain that ends early", []Record{alias("q", "b", 80)}, 0, "b", 1, 80},
		{"a TTL with the top bit is 0", []Record{addr("q", 1<<31+5)}, 1, "q", 0, 0},
		{"a loop", loop, 0, "b", maxLinks + 1, 9},
		{"nothing", nil, 0, "q", 0, 1<<31 - 1},
	} {
		r := Reply{Records: c.records}
		found, end, links, ttl := r.chase(Question{"q", TypeA})
		if len(found) != c.found || end != c.end || links != c.links || ttl != c.ttl {
			t.Errorf("%s: got %d records, end %q, %d links, ttl %d; want %d, %q, %d, %d",
				c.name, len(found), end, links, ttl, c.found, c.end, c.links, c.ttl)
		}
	}
}

// Proves: NH-17
func TestHowLongAnswersAreGood(t *testing.T) {
	t.Parallel()
	const text = `
plain.example 100 A 192.0.2.1
short.example 0 A 192.0.2.2
long.example 30000 A 192.0.2.3
alias.example 20 CNAME plain.example
NODATA A empty.example 45
NX nowhere.example
_sip._udp.srv.example 80 SRV 1 1 5060 plain.example
_sip._udp.brief.example 50 SRV 1 1 5060 brief.example
brief.example 10 A 192.0.2.4
`
	for _, c := range []struct {
		name, uri string
		state     State
		good      time.Duration // until when
		again     string        // what is asked then
	}{
		{"the TTL of the record", "plain.example:5060", Hit, 100 * time.Second, "A plain.example"},
		{"at least a second", "short.example:5060", Hit, time.Second, "A short.example"},
		{"at most an hour", "long.example:5060", Hit, time.Hour, "A long.example"},
		{"the alias counts", "alias.example:5060", Hit, 20 * time.Second, "A alias.example, A plain.example"},
		{"no data: the SOA", "empty.example:5060", Negative, 45 * time.Second, "A empty.example"},
		{"no name: the SOA", "nowhere.example:5060", Negative, 60 * time.Second, "A nowhere.example"},
		{"no SOA: 30 s", "void.example:5060", Negative, 30 * time.Second, "A void.example"},
		{"the SRV record expires first and alone", "srv.example;udp", Hit, 80 * time.Second, "SRV _sip._udp.srv.example"},
		{"the address expires first and alone", "brief.example;udp", Hit, 10 * time.Second, "A brief.example"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				z := newZone(t, text)
				b := newBench(t, z, Config{})
				q := queryOf(t, c.uri, "udp4")
				start := b.now()
				b.ask(t, q, 1)
				synctest.Wait()
				z.questions()
				for _, at := range []clock.Instant{start, start.Add(c.good - 1)} {
					if _, state := b.Cache().Get(at, q); state != c.state {
						t.Errorf("after %v: got state %d, want %d", at.Sub(start), state, c.state)
					}
				}
				sleep(c.good - 1)
				b.ask(t, q, 2)
				synctest.Wait()
				if asked := z.questions(); len(asked) != 0 {
					t.Errorf("asked %v while the answer was good", asked)
				}
				sleep(1)
				if _, state := b.Cache().Get(b.now(), q); state == c.state {
					t.Errorf("after %v the state is still %d", c.good, state)
				}
				b.ask(t, q, 3)
				synctest.Wait()
				if got := strings.Join(z.questions(), ", "); got != c.again {
					t.Errorf("then asked %q, want %q", got, c.again)
				}
			})
		})
	}
}

func TestServersAreTriedInTurn(t *testing.T) {
	t.Parallel()
	const text = "a.example 300 A 192.0.2.1\nb.example 300 A 192.0.2.2\n"
	run := func(t *testing.T, z *zone, f func(b *bench)) {
		synctest.Test(t, func(t *testing.T) {
			f(newBench(t, z, Config{Servers: []netip.AddrPort{server1, server2}}))
		})
	}
	t.Run("a silent one costs one try, and later none", func(t *testing.T) {
		t.Parallel()
		z := newZone(t, text)
		z.dead[server1] = true
		run(t, z, func(b *bench) {
			b.ask(t, queryOf(t, "a.example:5060", "udp4"), 1)
			sleep(b.limits.Try)
			b.ask(t, queryOf(t, "b.example:5060", "udp4"), 2)
			synctest.Wait()
			if b.answer(1) == "" || b.answer(2) != "udp:192.0.2.2:5060" {
				t.Errorf("got %q and %q", b.answer(1), b.answer(2))
			}
			if want := []netip.AddrPort{server1, server2, server2}; !slices.Equal(z.at, want) {
				t.Errorf("asked %v, want %v", z.at, want)
			}
			if s := b.Stats(); s.Queries != 3 || s.Silences != 1 {
				t.Errorf("counted %d questions and %d silences, want 3 and 1", s.Queries, s.Silences)
			}
		})
	})
	t.Run("one that cannot tell is passed over", func(t *testing.T) {
		t.Parallel()
		z := newZone(t, text)
		z.lame[server1] = 5
		run(t, z, func(b *bench) {
			b.ask(t, queryOf(t, "a.example:5060", "udp4"), 1)
			synctest.Wait()
			if got := b.answer(1); got != "udp:192.0.2.1:5060" {
				t.Errorf("got %q", got)
			}
		})
	})
	t.Run("all that cannot tell are asked once", func(t *testing.T) {
		t.Parallel()
		z := newZone(t, text)
		z.lame[server1], z.lame[server2] = 2, 5
		run(t, z, func(b *bench) {
			b.ask(t, queryOf(t, "a.example:5060", "udp4"), 1)
			synctest.Wait()
			if got := b.answer(1); got != "the servers could not answer" || len(z.at) != 2 {
				t.Errorf("got %q after %d questions, want a failure after 2", got, len(z.at))
			}
		})
	})
	t.Run("all silent: again, with more patience, until the budget ends", func(t *testing.T) {
		t.Parallel()
		z := newZone(t, text)
		z.dead[server1], z.dead[server2] = true, true
		run(t, z, func(b *bench) {
			b.ask(t, queryOf(t, "a.example:5060", "udp4"), 1)
			sleep(b.limits.Budget)
			if got, at := b.answer(1), b.heardAt(1); got != "no server answered in time" || at != b.limits.Budget {
				t.Errorf("got %q after %v, want silence after %v", got, at, b.limits.Budget)
			}
			// The third try ends with the budget; whether a fourth begins is left open.
			if want := []netip.AddrPort{server1, server2, server1}; !slices.Equal(z.at[:3], want) {
				t.Errorf("asked %v, want %v", z.at, want)
			}
		})
	})
	t.Run("none is configured", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t, newZone(t, text), Config{Servers: []netip.AddrPort{}})
			b.ask(t, queryOf(t, "a.example:5060", "udp4"), 1)
			synctest.Wait()
			if got := b.answer(1); got != "the servers could not answer" {
				t.Errorf("got %q", got)
			}
		})
	})
}
