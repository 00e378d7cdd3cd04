package resolve

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"
)

// Proves: NH-17
func TestALateAnswerCountsUntilTheBudgetIsOver(t *testing.T) {
	t.Parallel()
	const found, silence, failure = "udp:192.0.2.1:5060", "no server answered in time", "the servers could not answer"
	const ms, never = time.Millisecond, time.Hour
	one, two := server1Only, []netip.AddrPort{server1, server2}
	for _, c := range []struct {
		name    string
		servers []netip.AddrPort
		slow    [2]time.Duration
		lame    [2]int
		want    string
		at      time.Duration
	}{
		{"of the only server, after its first try", one, [2]time.Duration{1000 * ms}, [2]int{}, found, 1000 * ms},
		{"of the only server, after its second try", one, [2]time.Duration{1700 * ms}, [2]int{}, found, 1700 * ms},
		{"of the only server, just in time", one, [2]time.Duration{2000*ms - 1}, [2]int{}, found, 2000*ms - 1},
		{"of the only server, too late", one, [2]time.Duration{2000*ms + 1}, [2]int{}, silence, 2000 * ms},
		{"of the first while the second is silent", two, [2]time.Duration{900 * ms, never}, [2]int{}, found, 900 * ms},
		{"of the first while the second is slower", two, [2]time.Duration{1200 * ms, 1000 * ms}, [2]int{}, found, 1200 * ms},
		{"of the second while the first is slower", two, [2]time.Duration{1900 * ms, 1200 * ms}, [2]int{}, found, 1700 * ms},
		{"of the first after the second cannot tell", two, [2]time.Duration{1800 * ms, 0}, [2]int{0, 2}, found, 1800 * ms},
		{"of the second after the first cannot tell late", two, [2]time.Duration{600 * ms, 900 * ms}, [2]int{2, 0}, found, 1400 * ms},
		{"of both that they cannot tell", two, [2]time.Duration{600 * ms, 900 * ms}, [2]int{2, 5}, failure, 1400 * ms},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				z := newZone(t, "a.example 300 A 192.0.2.1")
				z.slow[server1], z.slow[server2] = c.slow[0], c.slow[1]
				z.lame[server1], z.lame[server2] = c.lame[0], c.lame[1]
				b := newBench(t, z, Config{Servers: c.servers})
				b.ask(t, queryOf(t, "a.example:5060", "udp4"), 1)
				sleep(b.limits.Budget)
				if got, at := b.answer(1), b.heardAt(1); got != c.want || at != c.at {
					t.Errorf("got %q after %v, want %q after %v", got, at, c.want, c.at)
				}
				if z.open != 0 || z.most > len(c.servers) || len(b.sockets) != 0 {
					t.Errorf("%d questions are left, %d were open at once, %d places are taken; want 0, %d at most, 0",
						z.open, z.most, len(b.sockets), len(c.servers))
				}
			})
		})
	}
}

// All tries may be short of the budget; the servers are listened to all the same.
func TestAfterTheLastTryAnswersStillCount(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		z := newZone(t, "a.example 300 A 192.0.2.1")
		z.slow[server1] = 1900 * time.Millisecond
		b := newBench(t, z, Config{Limits: Limits{Try: 10 * time.Millisecond}})
		b.ask(t, queryOf(t, "a.example:5060", "udp4"), 1)
		sleep(b.limits.Budget)
		if got := b.answer(1); got != "udp:192.0.2.1:5060" {
			t.Errorf("got %q", got)
		}
		if s := b.Stats(); s.Queries != maxRounds || s.Silences != maxRounds {
			t.Errorf("counted %d questions and %d silences, want %d of each", s.Queries, s.Silences, maxRounds)
		}
	})
}

func TestASlowServerIsAskedLast(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		z := newZone(t, "a.example 300 A 192.0.2.1\nb.example 300 A 192.0.2.2\n")
		z.slow[server1], z.slow[server2] = 800*time.Millisecond, 400*time.Millisecond
		b := newBench(t, z, Config{Servers: []netip.AddrPort{server1, server2}})
		b.ask(t, queryOf(t, "a.example:5060", "udp4"), 1) // the first wins, late
		sleep(b.limits.Budget)
		b.ask(t, queryOf(t, "b.example:5060", "udp4"), 2)
		sleep(b.limits.Budget)
		if want := []netip.AddrPort{server1, server2, server2}; !slices.Equal(z.at, want) {
			t.Errorf("asked %v, want %v", z.at, want)
		}
	})
}

// Where sockets are scarce a silent server is given up for the next one, as else
// each would hold what the others wait for.
func TestScarceSocketsGoToTheNextServer(t *testing.T) {
	t.Parallel()
	for _, sockets := range []int{1, 4} {
		synctest.Test(t, func(t *testing.T) {
			z := newZone(t, "a.example 300 A 192.0.2.1\nb.example 300 A 192.0.2.2\nc.example 300 A 192.0.2.3\nd.example 300 A 192.0.2.4\n")
			z.dead[server1] = true
			b := newBench(t, z, Config{Servers: []netip.AddrPort{server1, server2}, Limits: Limits{Sockets: sockets}})
			names := []string{"a.example:5060", "b.example:5060", "c.example:5060", "d.example:5060"}[:sockets]
			for i, name := range names {
				b.ask(t, queryOf(t, name, "udp4"), uint64(i))
			}
			sleep(b.limits.Try)
			for i, name := range names {
				if got := b.answer(uint64(i)); !strings.HasPrefix(got, "udp:") {
					t.Errorf("%s with %d sockets: got %q", name, sockets, got)
				}
			}
			if z.most > sockets {
				t.Errorf("%d questions were at the servers at once, want %d at most", z.most, sockets)
			}
		})
	}
}

// lateServer answers the first time of asking when the second has come, from
// where that came; what follows is not answered. It returns the numbers and
// addresses of the questions.
func lateServer(t *testing.T, records []string, edit func(*dns.Msg, dns.ResponseWriter)) (server netip.AddrPort, asked func() (ids []uint16, from []string)) {
	t.Helper()
	var mu sync.Mutex
	var ids []uint16
	var from []string
	var first *dns.Msg
	server = serveDNS(t, func(w dns.ResponseWriter, m *dns.Msg) {
		if !overUDP(w) {
			reply(t, w, m, records, nil)
			return
		}
		mu.Lock()
		defer mu.Unlock()
		ids, from = append(ids, m.Id), append(from, w.RemoteAddr().String())
		switch len(ids) {
		case 1:
			first = m
		case 2:
			reply(t, w, first, records, func(a *dns.Msg) { edit(a, w) })
		}
	})
	return server, func() ([]uint16, []string) {
		mu.Lock()
		defer mu.Unlock()
		return ids, from
	}
}

// Proves: NH-17
func TestLateAnswersOverSockets(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		edit func(*dns.Msg, dns.ResponseWriter)
		tcp  uint64
	}{
		{"whole", func(*dns.Msg, dns.ResponseWriter) {}, 0},
		{"cut off, then by TCP", func(a *dns.Msg, _ dns.ResponseWriter) { a.Truncated, a.Answer = true, nil }, 1},
		{"after a forged one", func(a *dns.Msg, w dns.ResponseWriter) {
			forged := a.Copy()
			forged.Id++
			forged.Answer[0].(*dns.A).A = []byte{203, 0, 113, 66}
			_ = w.WriteMsg(forged) // the asker may have gone
		}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			server, asked := lateServer(t, []string{"a.example. 60 IN A 192.0.2.1"}, c.edit)
			heard := make(chan string, 1)
			r := New(Config{
				Servers: []netip.AddrPort{server},
				Limits:  Limits{Try: 20 * time.Millisecond, Budget: time.Minute},
			}, sinkFunc(func(_ uint64, h Hops, err error) { heard <- show(h, err) }))
			ctx, cancel := context.WithCancel(t.Context())
			var run sync.WaitGroup
			run.Go(func() { r.Run(ctx) })
			defer run.Wait()
			defer cancel()
			if err := r.Ask(queryOf(t, "a.example:5060", "udp4"), 1); err != nil {
				t.Fatal(err)
			}
			if got := <-heard; got != "udp:192.0.2.1:5060" {
				t.Errorf("got %q", got)
			}
			ids, from := asked()
			if len(ids) < 2 || ids[1] != ids[0] || from[1] != from[0] {
				t.Errorf("the question came with the numbers %v from %v, want the same twice", ids, from)
			}
			if n := r.Stats().Truncated; n != c.tcp {
				t.Errorf("%d answers came by TCP, want %d", n, c.tcp)
			}
		})
	}
}
