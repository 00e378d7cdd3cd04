package engine

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"viaduct/internal/clock"
	"viaduct/internal/effect"
	"viaduct/internal/flow"
	"viaduct/internal/policy"
	"viaduct/internal/proxy"
	"viaduct/internal/resolve"
	"viaduct/internal/transaction"
	"viaduct/sip"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what must come; it passes as soon as it
// has come.
const patience = 10 * time.Second

// fake is a core that does what a test says. Without a word it echoes requests.
type fake struct {
	shard    int
	packet   func(m *sip.Message, from flow.Flow, fx *effect.List)
	shed     func(m *sip.Message)
	bad      func()
	expire   func(fx *effect.List)
	broken   func(h effect.Handle, fx *effect.List)
	branch   func(branch []byte, fx *effect.List)
	gone     func(from flow.Flow, fx *effect.List)
	resolved func(h effect.Handle, hops resolve.Hops, err error, fx *effect.List)
	stop     func(fx *effect.List) int

	undelivered func(m *sip.Message, to netip.AddrPort, whole bool)
	used        func(l flow.Listener) bool
	setup       int
	draining    bool
}

func (f *fake) Packet(_ clock.Instant, m *sip.Message, _ *proxy.Place, from flow.Flow, _ *proxy.Snapshot, fx *effect.List) {
	if f.packet == nil {
		fx.Send(from.Hop(), fx.Copy(m.Wire()), 0)
		return
	}
	f.packet(m, from, fx)
}

func (f *fake) Shed(_ clock.Instant, m *sip.Message, _ *proxy.Place, from flow.Flow, _ *proxy.Snapshot, fx *effect.List) {
	if f.shed != nil {
		f.shed(m)
		return
	}
	fx.Send(from.Hop(), fx.Copy([]byte("shed")), 0)
}

func (f *fake) Malformed(_ clock.Instant, m *sip.Message, _ *sip.SyntaxError, _ flow.Flow, _ *proxy.Snapshot, _ *effect.List) {
	if f.bad != nil {
		f.bad()
	}
}

func (f *fake) Expire(_ clock.Instant, fx *effect.List) {
	if f.expire != nil {
		f.expire(fx)
	}
}

func (f *fake) Broken(_ clock.Instant, h effect.Handle, fx *effect.List) {
	if f.broken != nil {
		f.broken(h, fx)
	}
}

func (f *fake) BrokenBranch(_ clock.Instant, branch []byte, fx *effect.List) {
	if f.branch != nil {
		f.branch(branch, fx)
	}
}

func (f *fake) Undelivered(_ clock.Instant, m *sip.Message, _ *proxy.Place, to netip.AddrPort, whole bool, _ *proxy.Snapshot, _ *effect.List) {
	if f.undelivered != nil {
		f.undelivered(m, to, whole)
	}
}

func (f *fake) Resolved(_ clock.Instant, h effect.Handle, hops resolve.Hops, err error, fx *effect.List) {
	if f.resolved != nil {
		f.resolved(h, hops, err, fx)
	}
}

func (f *fake) Stored(clock.Instant, effect.Handle, error, *effect.List) {}

func (f *fake) UserKnown(clock.Instant, effect.Handle, *effect.List) {}

func (f *fake) Stop(_ clock.Instant, fx *effect.List) int {
	if f.stop == nil {
		return 0
	}
	return f.stop(fx)
}

func (f *fake) Uses(l flow.Listener, at, n uint32) (uint32, bool) {
	if at == 0 {
		return n, false // there is more to look at
	}
	return 0, f.used != nil && f.used(l)
}

func (f *fake) FlowGone(_ clock.Instant, from flow.Flow, fx *effect.List) {
	if f.gone != nil {
		f.gone(from, fx)
	}
}

func (f *fake) Drain(on bool)      { f.draining = on }
func (f *fake) InSetup() int       { return f.setup }
func (f *fake) Stats() proxy.Stats { return proxy.Stats{Contexts: 1} }

// loopback is a snapshot with these listeners and no rules.
func loopback(binds ...string) *proxy.Snapshot {
	s := &proxy.Snapshot{Program: &policy.Program{}}
	for _, b := range binds {
		s.Listeners = append(s.Listeners, proxy.Listener{Name: b, Protocol: flow.UDP, Bind: netip.MustParseAddrPort(b)})
	}
	return s
}

// newFake builds an engine over fakes; each is shown to setup first.
func newFake(t testing.TB, cfg Config, setup func(*fake)) *Engine {
	t.Helper()
	if cfg.Snapshot == nil {
		cfg.Snapshot = loopback("127.0.0.1:0")
	}
	e, err := build(cfg, func(pc proxy.Config, _ clock.Instant, _ *proxy.Snapshot) core {
		f := &fake{shard: int(pc.Shard)}
		if setup != nil {
			setup(f)
		}
		return f
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	return e
}

// run runs e until the end of the test, or until cancel, after which result has
// what Run returned.
func run(t testing.TB, e *Engine) (cancel func(), result <-chan error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	var group sync.WaitGroup
	group.Go(func() { done <- e.Run(ctx) })
	t.Cleanup(func() {
		e.Stop()
		group.Wait()
		cancel()
	})
	return cancel, done
}

// phone is a socket of the other side, with a deadline.
func phone(t testing.TB, to netip.AddrPort) *net.UDPConn {
	t.Helper()
	network := "udp4"
	if to.Addr().Is6() {
		network = "udp6"
	}
	c, err := net.DialUDP(network, nil, net.UDPAddrFromAddrPort(to))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() }) // a test may have done so
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return c
}

func write(t testing.TB, c *net.UDPConn, text string) {
	t.Helper()
	if _, err := c.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
}

func read(t testing.TB, c *net.UDPConn) string {
	t.Helper()
	b := make([]byte, 1<<16)
	n, err := c.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	return string(b[:n])
}

// closedPort is a loopback address where nobody listens.
func closedPort(t testing.TB) netip.AddrPort {
	t.Helper()
	c, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:0")))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	return c.LocalAddr().(*net.UDPAddr).AddrPort()
}

// request is a small request; n goes into branch, Call-ID and CSeq.
func request(method string, n int) string {
	return strings.ReplaceAll(fmt.Sprintf(`%[1]s sip:bob@127.0.0.1 SIP/2.0
Via: SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bK-%[2]d;rport
Max-Forwards: 70
From: <sip:alice@127.0.0.1>;tag=a%[2]d
To: <sip:bob@127.0.0.1>
Call-ID: call-%[2]d
CSeq: %[2]d %[1]s
Contact: <sip:alice@127.0.0.1>
Content-Length: 0

`, method, n), "\n", "\r\n")
}

// branchOf is a branch parameter of ours in form.
func branchOf(h effect.Handle) string {
	b := transaction.Branch{Handle: h, Boot: [4]byte{1}, Nonce: [6]byte{2}}
	return string(b.AppendTo(nil))
}

var errTest = errors.New("test")
