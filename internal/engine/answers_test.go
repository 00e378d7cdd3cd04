package engine

import (
	"context"
	"errors"
	"net/netip"
	"sync/atomic"
	"testing"

	"viaduct/internal/effect"
	"viaduct/internal/flow"
	"viaduct/internal/resolve"
	"viaduct/sip"
)

// dead is a DNS server that fails, or answers with one address for any name.
type dead struct{ addr netip.Addr }

func (d dead) Exchange(_ context.Context, _ netip.AddrPort, q resolve.Question, _ <-chan struct{}) (resolve.Reply, error) {
	switch {
	case !d.addr.IsValid():
		return resolve.Reply{}, errors.New("dead")
	case q.Type == resolve.TypeA:
		return resolve.Reply{Records: []resolve.Record{{Name: q.Name, Type: q.Type, TTL: 60, Addr: d.addr}}}, nil
	}
	return resolve.Reply{}, nil
}

// asking makes a core that asks where each request leads, with the handle of its
// own shard, and answers the request when it knows.
func asking(query resolve.Query) func(*fake) {
	return func(f *fake) {
		waiting := map[effect.Handle]flow.Hop{}
		next := uint32(0)
		f.packet = func(m *sip.Message, from flow.Flow, fx *effect.List) {
			next++
			h := effect.MakeHandle(uint8(f.shard), 7, next)
			waiting[h] = from.Hop()
			fx.Ask(effect.AskResolve, h, query.AppendTo(nil))
		}
		f.resolved = func(h effect.Handle, hops resolve.Hops, err error, fx *effect.List) {
			text := "no hop"
			it := hops.Iterator(0)
			if _, to, ok := it.Next(); ok && err == nil {
				text = to.String()
			}
			hop := waiting[h]
			delete(waiting, h)
			fx.Send(hop, fx.Copy([]byte(text)), 0)
		}
	}
}

// A question leaves the turn, its answer comes back to the shard that asked:
// from DNS, from its failure, and at the bound.
func TestAnswersComeBackToTheirShard(t *testing.T) {
	servers := []netip.AddrPort{netip.MustParseAddrPort("192.0.2.53:53")}
	query := resolve.Query{Host: []byte("bob.example.com"), Port: 5070}
	query.Speaks = query.Speaks.With(flow.UDP, netip.IPv4Unspecified())
	for _, c := range []struct {
		name   string
		server dead
		query  resolve.Query
		want   string
	}{
		{"found", dead{netip.MustParseAddr("192.0.2.7")}, query, "192.0.2.7:5070"},
		{"dead server", dead{}, query, "no hop"},
		{"no question", dead{}, resolve.Query{}, "no hop"},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := newFake(t, Config{Shards: 4, DNS: DNS{Servers: servers, Exchanger: c.server}}, asking(c.query))
			run(t, e)
			for n := range 16 { // of all shards
				p := phone(t, e.Addresses()[0].Bind)
				write(t, p, request("MESSAGE", n))
				if got := read(t, p); got != c.want {
					t.Fatalf("got %q, want %q", got, c.want)
				}
			}
		})
	}
}

// safety.md rule 5: a step that panics takes its own questions back, and not those
// of others in the same turn.
func TestAPanicTakesItsQuestionsBack(t *testing.T) {
	var asked atomic.Int32
	e := newFake(t, Config{Shards: 1}, func(f *fake) {
		f.packet = func(m *sip.Message, from flow.Flow, fx *effect.List) {
			fx.Ask(effect.AskResolve, effect.MakeHandle(0, 1, uint32(m.Method())+1), []byte("no query"))
			if m.Method() == sip.MESSAGE {
				panic("of the test")
			}
			fx.Send(from.Hop(), fx.Copy(m.Wire()), 0)
		}
		f.resolved = func(effect.Handle, resolve.Hops, error, *effect.List) { asked.Add(1) }
	})
	run(t, e)
	p := phone(t, e.Addresses()[0].Bind)
	write(t, p, request("MESSAGE", 1))
	write(t, p, request("OPTIONS", 2))
	read(t, p)
	write(t, p, request("OPTIONS", 3))
	read(t, p)
	e.Stop()
	if n := asked.Load(); n > 2 {
		t.Errorf("%d questions were put, want 2 at most", n)
	}
}
