package proxy_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"

	"viaduct/internal/clock"
	"viaduct/internal/config"
	"viaduct/internal/effect"
	"viaduct/internal/flow"
	"viaduct/internal/proxy"
	"viaduct/internal/resolve"
	"viaduct/internal/siptest"
	"viaduct/sip"
)

// element is one core as the test bench drives it: parse, then the step.
type element struct {
	core              *proxy.Core
	config            proxy.Config
	snap              *proxy.Snapshot
	msg               sip.Message
	at                proxy.Place
	avoided, refusals resolve.Places
}

func (e *element) Receive(now clock.Instant, wire []byte, from flow.Flow, fx *effect.List) {
	if err := e.msg.Parse(wire); err != nil {
		var fault *sip.SyntaxError
		if errors.As(err, &fault) {
			e.core.Malformed(now, &e.msg, fault, from, e.snap, fx)
		}
		return
	}
	e.at = proxy.PlaceOf(&e.msg, 1)
	e.core.Packet(now, &e.msg, &e.at, from, e.snap, fx)
}

func (e *element) Expire(now clock.Instant, fx *effect.List) { e.core.Expire(now, fx) }
func (e *element) Next() (clock.Instant, bool)               { return e.core.Next() }
func (e *element) Idle() bool                                { return e.core.Idle() }

func (e *element) Broken(now clock.Instant, h effect.Handle, fx *effect.List) {
	e.core.Broken(now, h, fx)
}

func (e *element) FlowGone(now clock.Instant, f flow.Flow, fx *effect.List) {
	e.core.FlowGone(now, f, fx)
}

// Do carries out the ladder lines "do drain", "do serve" and "do stop".
func (e *element) Do(now clock.Instant, words []string, fx *effect.List) error {
	switch words[0] {
	case "drain":
		e.core.Drain(true)
	case "serve":
		e.core.Drain(false)
	case "stop":
		e.core.Stop(now, fx)
	default:
		return fmt.Errorf("the core cannot %q", words[0])
	}
	return nil
}

// testKeys are the same in every test, so that ladders can show cookies.
func testKeys(t testing.TB) *proxy.Keys {
	t.Helper()
	return keysOf(t, "a secret of the test bench")
}

func keysOf(t testing.TB, secrets ...string) *proxy.Keys {
	t.Helper()
	var list [][]byte
	for _, s := range secrets {
		list = append(list, []byte(s))
	}
	keys, err := proxy.NewKeys(list...)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// newElement compiles the ladder's config block. Listeners and the secret are
// written for it; what the block says comes after them.
func newElement(s *siptest.Setup) siptest.Element {
	return newElementWith(s, 1)
}

func newElementWith(s *siptest.Setup, seed uint64) *element { return newElementOf(s, seed, 0) }

// newElementOf is newElementWith for a core with a bound of transactions.
func newElementOf(s *siptest.Setup, seed uint64, most int) *element {
	s.TB.Helper()
	var text strings.Builder
	for _, l := range s.Listeners {
		fmt.Fprintf(&text, "listen %q {\n  address = %q\n", strings.ToLower(l.Protocol.String()), l.Addr)
		if l.Advertise != "" {
			fmt.Fprintf(&text, "  advertise = %q\n", l.Advertise)
		}
		text.WriteString("}\n")
	}
	body := s.Expand(s.Config)
	if !strings.Contains(body, "server {") {
		text.WriteString("server { domains = [\"example.org\"] }\n")
	}
	text.WriteString(body)
	cfg, bad := config.Parse(s.Name, []byte(text.String()), config.Options{
		Addresses: func() ([]netip.Addr, error) { return nil, nil },
	})
	if len(bad) > 0 {
		s.TB.Fatalf("the configuration of %s:\n%s\n%v", s.Name, text.String(), bad)
	}
	snap := cfg.Snapshot
	snap.Keys = testKeys(s.TB)
	snap.Prepare()
	random := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)})
	e := &element{snap: snap}
	e.config = proxy.Config{
		Shards: 1, Boot: [4]byte{1, 2, 3, 4}, Max: most,
		Random:  func(p []byte) { _, _ = random.Read(p) },
		Avoided: &e.avoided, Refusals: &e.refusals,
	}
	e.core = proxy.NewCore(e.config, s.Start, snap)
	return e
}

func TestLadders(t *testing.T) { siptest.RunDir(t, "testdata/*.ladder", newElement) }
