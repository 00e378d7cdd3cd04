package resolve

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"viaduct/internal/clock"
	"viaduct/internal/flow"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	server1 = netip.MustParseAddrPort("192.0.2.53:53")
	server2 = netip.MustParseAddrPort("192.0.2.54:53")
)

// speaking is the Set of words such as "udp4 tcp6".
func speaking(words string) Set {
	var s Set
	for _, w := range strings.Fields(words) {
		addr := v4
		if w[len(w)-1] == '6' {
			addr = v6
		}
		s = s.With(flow.ParseProtocol([]byte(w[:len(w)-1])), addr)
	}
	return s
}

var everything = speaking("udp4 udp6 tcp4 tcp6 tls4 tls6")

// zone is an Exchanger with a few records and the names that nobody answers for.
type zone struct {
	mu      sync.Mutex
	replies map[Question]Reply
	silent  map[Question]bool
	dead    map[netip.AddrPort]bool          // servers that never answer
	lame    map[netip.AddrPort]int           // servers that answer with this code
	slow    map[netip.AddrPort]time.Duration // servers that take longer than delay
	delay   time.Duration
	open    int      // questions that are at the servers
	most    int      // of these at once
	asked   []string // questions in order, with the server when there are two
	at      []netip.AddrPort
}

// newZone reads lines such as "example.com 60 SRV 10 60 5060 gw1"; "NX name
// [minimum]" is a name that does not exist, "NODATA type name minimum" an answer
// with a SOA and no records. What is not named has no records and no SOA.
func newZone(t testing.TB, text string) *zone {
	t.Helper()
	z := &zone{
		replies: make(map[Question]Reply), silent: make(map[Question]bool),
		dead: make(map[netip.AddrPort]bool), lame: make(map[netip.AddrPort]int), slow: make(map[netip.AddrPort]time.Duration),
	}
	for line := range strings.Lines(text) {
		if w := strings.Fields(line); len(w) > 0 {
			z.add(t, w)
		}
	}
	return z
}

func (z *zone) add(t testing.TB, w []string) {
	t.Helper()
	number := func(s string) uint16 {
		n, err := strconv.ParseUint(s, 10, 16)
		if err != nil {
			t.Fatalf("zone line %q: %v", w, err)
		}
		return uint16(n)
	}
	types := map[string]Type{"A": TypeA, "AAAA": TypeAAAA, "CNAME": TypeCNAME, "SRV": TypeSRV, "NAPTR": TypeNAPTR}
	switch w[0] {
	case "NX":
		for _, typ := range types {
			z.replies[Question{w[1], typ}] = Reply{Code: CodeNXDomain, SOA: true, Negative: 60}
		}
		return
	case "NODATA":
		z.replies[Question{w[2], types[w[1]]}] = Reply{SOA: true, Negative: uint32(number(w[3]))}
		return
	case "SILENT":
		z.silent[Question{w[2], types[w[1]]}] = true
		return
	case "FAIL":
		z.replies[Question{w[2], types[w[1]]}] = Reply{Code: 2}
		return
	}
	r := Record{Name: w[0], TTL: uint32(number(w[1])), Type: types[w[2]]}
	switch w = w[3:]; r.Type {
	case TypeA, TypeAAAA:
		r.Addr = netip.MustParseAddr(w[0])
	case TypeCNAME:
		r.Target = w[0]
	case TypeSRV:
		r.Priority, r.Weight, r.Port, r.Target = number(w[0]), number(w[1]), number(w[2]), strings.TrimSuffix(w[3], ".")
	case TypeNAPTR:
		r.Order, r.Preference, r.Flags, r.Service, r.Target = number(w[0]), number(w[1]), w[2], w[3], w[4]
	default:
		t.Fatalf("zone line %q: no such type", w)
	}
	q := Question{r.Name, r.Type}
	reply := z.replies[q]
	reply.Records = append(reply.Records, r)
	z.replies[q] = reply
}

func (z *zone) Exchange(ctx context.Context, server netip.AddrPort, q Question, again <-chan struct{}) (Reply, error) {
	z.note(server, q, 1)
	defer z.note(server, q, -1)
	z.mu.Lock()
	silent := z.silent[q] || z.dead[server]
	code, delay := z.lame[server], max(z.delay, z.slow[server])
	reply, known := z.replies[q]
	if alias, ok := z.replies[Question{q.Name, TypeCNAME}]; !known && ok {
		reply = alias
	}
	z.mu.Unlock()
	var due <-chan time.Time // the first time of asking is answered, as late as it is
	if !silent {
		due = time.After(delay)
	}
	for {
		select {
		case <-due:
			if code != 0 {
				return Reply{Code: code}, nil
			}
			return reply, nil
		case <-again:
			z.note(server, q, 0)
		case <-ctx.Done():
			return Reply{}, ctx.Err()
		}
	}
}

// note keeps the books of a question that begins (1), is put again (0) or ends (-1).
func (z *zone) note(server netip.AddrPort, q Question, change int) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.open += change
	z.most = max(z.most, z.open)
	if change >= 0 {
		z.asked = append(z.asked, q.String())
		z.at = append(z.at, server)
	}
}

// questions returns what was asked since the last call, sorted.
func (z *zone) questions() []string {
	z.mu.Lock()
	defer z.mu.Unlock()
	asked := slices.Sorted(slices.Values(z.asked))
	z.asked, z.at = nil, nil
	return asked
}

// answers is a Sink that keeps what it hears.
type answers struct {
	mu    sync.Mutex
	heard map[uint64]string
	when  map[uint64]time.Duration
	start time.Time
}

func (a *answers) Resolved(token uint64, h Hops, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, twice := a.heard[token]; twice {
		panic(fmt.Sprintf("token %d was answered twice", token))
	}
	a.heard[token] = show(h, err)
	a.when[token] = time.Since(a.start)
}

// show is the hops in the order of random 0, or the error's first words.
func show(h Hops, err error) string {
	for _, e := range []error{ErrNoName, ErrNoAddress, ErrNoService, ErrNoProtocol, ErrSilent, ErrServers, ErrFull, ErrStopped} {
		if err != nil && strings.HasPrefix(err.Error(), e.Error()) {
			return strings.TrimPrefix(e.Error(), "resolve: ")
		}
	}
	if err != nil {
		return err.Error()
	}
	return strings.Join(walkOf(h, 0), " ")
}

func walkOf(h Hops, random uint64) []string {
	var out []string
	for it := h.Iterator(random); ; {
		p, to, ok := it.Next()
		if !ok {
			return out
		}
		out = append(out, strings.ToLower(p.String())+":"+to.String())
	}
}

// bench is a Resolver over a zone, with the time of its test's bubble.
type bench struct {
	*Resolver
	zone *zone
	sink *answers
	stop func()
}

func newBench(t testing.TB, z *zone, c Config) *bench {
	t.Helper()
	start := time.Now()
	sink := &answers{heard: make(map[uint64]string), when: make(map[uint64]time.Duration), start: start}
	c.Exchanger = z
	c.Now = func() clock.Instant { return clock.Instant(time.Second + time.Since(start)) }
	if c.Servers == nil {
		c.Servers = []netip.AddrPort{server1}
	}
	b := &bench{Resolver: New(c, sink), zone: z, sink: sink}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { b.Run(ctx); close(ended) }()
	b.stop = func() { cancel(); <-ended }
	t.Cleanup(func() {
		b.stop()
		if n := b.Stats().Panics; n != 0 {
			t.Errorf("%d panics were recovered", n)
		}
	})
	return b
}

func (b *bench) ask(t testing.TB, q Query, token uint64) {
	t.Helper()
	if err := b.Ask(q, token); err != nil {
		t.Fatalf("Ask(%s): %v", q.Host, err)
	}
}

// answer is what token heard, "" when nothing yet.
func (b *bench) answer(token uint64) string {
	b.sink.mu.Lock()
	defer b.sink.mu.Unlock()
	return b.sink.heard[token]
}

func (b *bench) heardAt(token uint64) time.Duration {
	b.sink.mu.Lock()
	defer b.sink.mu.Unlock()
	return b.sink.when[token]
}

var server1Only = []netip.AddrPort{server1}

// sleep lets the time of the bubble pass and everything due in it happen.
func sleep(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}
