package resolve

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"viaduct/internal/flow"
)

// serveDNS runs a server on loopback, by UDP and TCP at one port, that answers
// with handle. It ends with the test.
func serveDNS(t testing.TB, handle dns.HandlerFunc) netip.AddrPort {
	t.Helper()
	udp, tcp := listenBoth(t)
	var ended sync.WaitGroup
	t.Cleanup(ended.Wait) // runs last, after both have been told
	for _, s := range []*dns.Server{{PacketConn: udp, Handler: handle}, {Listener: tcp, Handler: handle}} {
		started := make(chan struct{})
		s.NotifyStartedFunc = func() { close(started) }
		ended.Go(func() { _ = s.ActivateAndServe() }) // ends by Shutdown
		<-started
		t.Cleanup(func() { _ = s.Shutdown() }) // it was started
	}
	return netip.MustParseAddrPort(tcp.Addr().String())
}

// listenBoth opens a TCP port whose number is free for UDP too.
func listenBoth(t testing.TB) (net.PacketConn, net.Listener) {
	t.Helper()
	for range 20 {
		tcp, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		udp, err := net.ListenPacket("udp", tcp.Addr().String())
		if err == nil {
			return udp, tcp
		}
		tcp.Close()
	}
	t.Fatal("no port is free for both")
	return nil, nil
}

func rr(t testing.TB, text string) dns.RR {
	t.Helper()
	r, err := dns.NewRR(text)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// reply writes an answer to m with records and, before it is written, edits.
func reply(t testing.TB, w dns.ResponseWriter, m *dns.Msg, records []string, edit func(*dns.Msg)) {
	a := new(dns.Msg)
	a.SetReply(m)
	for _, text := range records {
		a.Answer = append(a.Answer, rr(t, text))
	}
	if edit != nil {
		edit(a)
	}
	_ = w.WriteMsg(a) // the asker may have gone
}

func overUDP(w dns.ResponseWriter) bool { return w.RemoteAddr().Network() == "udp" }

func exchange(t testing.TB, server netip.AddrPort, q Question) (Reply, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	return Net{}.Exchange(ctx, server, q, nil)
}

// Proves: NH-17
func TestAnswersThatDoNotFitComeByTCP(t *testing.T) {
	t.Parallel()
	var records []string
	for i := range 60 {
		records = append(records, fmt.Sprintf("_sip._udp.big.example. 300 IN SRV 1 %d 5060 gw-%d.big.example.", i, i))
	}
	server := serveDNS(t, func(w dns.ResponseWriter, m *dns.Msg) {
		reply(t, w, m, records, func(a *dns.Msg) {
			if overUDP(w) {
				a.Truncate(int(m.IsEdns0().UDPSize()))
			}
		})
	})
	r, err := exchange(t, server, Question{"_sip._udp.big.example", TypeSRV})
	if err != nil || !r.TCP || len(r.Records) != 60 {
		t.Errorf("got %d records, by TCP %t, %v; want 60 by TCP", len(r.Records), r.TCP, err)
	}
}

// Proves: NH-17
func TestAnswersAbove512BytesComeByEDNS(t *testing.T) {
	t.Parallel()
	server := serveDNS(t, func(w dns.ResponseWriter, m *dns.Msg) {
		var records []string
		for i := range 50 {
			records = append(records, fmt.Sprintf("a.example. 300 IN A 192.0.2.%d", i))
		}
		reply(t, w, m, records, func(a *dns.Msg) {
			if opt := m.IsEdns0(); opt == nil {
				a.Truncate(512)
			} else {
				a.Truncate(int(opt.UDPSize()))
			}
		})
	})
	r, err := exchange(t, server, Question{"a.example", TypeA})
	if err != nil || r.TCP || len(r.Records) != 50 {
		t.Errorf("got %d records, by TCP %t, %v; want 50 by UDP", len(r.Records), r.TCP, err)
	}
}

func TestServersWithoutEDNSAreAskedWithoutIt(t *testing.T) {
	t.Parallel()
	server := serveDNS(t, func(w dns.ResponseWriter, m *dns.Msg) {
		if m.IsEdns0() != nil {
			reply(t, w, m, nil, func(a *dns.Msg) { a.Rcode, a.Question = dns.RcodeFormatError, nil })
			return
		}
		reply(t, w, m, []string{"a.example. 300 IN A 192.0.2.1"}, nil)
	})
	if r, err := exchange(t, server, Question{"a.example", TypeA}); err != nil || len(r.Records) != 1 {
		t.Errorf("got %+v, %v", r, err)
	}
}

func TestForeignAnswersArePassedOver(t *testing.T) {
	t.Parallel()
	stranger, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer stranger.Close()
	wrong := []string{"a.example. 300 IN A 203.0.113.66"}
	server := serveDNS(t, func(w dns.ResponseWriter, m *dns.Msg) {
		forged := new(dns.Msg)
		forged.SetReply(m)
		forged.Answer = append(forged.Answer, rr(t, wrong[0]))
		packet, err := forged.Pack()
		if err == nil {
			_, err = stranger.WriteTo(packet, w.RemoteAddr())
		}
		if err != nil {
			t.Error(err)
		}
		_, _ = w.Write([]byte("no DNS message at all"))
		_, _ = w.Write([]byte{1})
		reply(t, w, m, wrong, func(a *dns.Msg) { a.Id++ })
		reply(t, w, m, wrong, func(a *dns.Msg) { a.Response = false })
		reply(t, w, m, wrong, func(a *dns.Msg) { a.Question[0].Name = "b.example." })
		reply(t, w, m, wrong, func(a *dns.Msg) { a.Question[0].Qtype = dns.TypeAAAA })
		reply(t, w, m, wrong, func(a *dns.Msg) { a.Question = nil })
		reply(t, w, m, []string{"A.example. 300 IN A 192.0.2.1", "a.example. 300 CH A 203.0.113.66"}, nil)
	})
	r, err := exchange(t, server, Question{"a.example", TypeA})
	if err != nil || len(r.Records) != 1 || r.Records[0].Addr != netip.MustParseAddr("192.0.2.1") {
		t.Errorf("got %+v, %v; want only the server's own record", r, err)
	}
}

func TestQuestionsAreHardToGuess(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	ids, ports := map[uint16]bool{}, map[string]bool{}
	server := serveDNS(t, func(w dns.ResponseWriter, m *dns.Msg) {
		mu.Lock()
		ids[m.Id], ports[w.RemoteAddr().String()] = true, true
		mu.Unlock()
		reply(t, w, m, nil, nil)
	})
	for range 50 {
		if _, err := exchange(t, server, Question{"a.example", TypeA}); err != nil {
			t.Fatal(err)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if len(ids) < 45 || len(ports) < 45 {
		t.Errorf("50 questions had %d numbers and %d ports", len(ids), len(ports))
	}
}

func TestTheExchangeEndsInTime(t *testing.T) {
	t.Parallel()
	asked := make(chan struct{}, 1)
	server := serveDNS(t, func(dns.ResponseWriter, *dns.Msg) { asked <- struct{}{} })
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-asked; cancel() }()
	if _, err := (Net{}).Exchange(ctx, server, Question{"a.example", TypeA}, nil); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("cancelled while waiting: got %v", err)
	}
	if _, err := exchange(t, server, Question{strings.Repeat("a", 80) + ".example", TypeA}); err == nil {
		t.Error("a label that is too long was sent")
	}
}

func TestANegativeAnswerTellsItsTime(t *testing.T) {
	t.Parallel()
	server := serveDNS(t, func(w dns.ResponseWriter, m *dns.Msg) {
		reply(t, w, m, nil, func(a *dns.Msg) {
			a.Rcode = dns.RcodeNameError
			a.Ns = append(a.Ns, rr(t, "example. 900 IN SOA ns.example. root.example. 1 2 3 4 77"))
		})
	})
	want := Reply{Code: CodeNXDomain, SOA: true, Negative: 77}
	if r, err := exchange(t, server, Question{"a.example", TypeA}); err != nil || r.Code != want.Code || r.SOA != want.SOA || r.Negative != want.Negative {
		t.Errorf("got %+v, %v; want %+v", r, err, want)
	}
}

// The whole way over real sockets: NAPTR, SRV by way of an alias, AAAA and A.
func TestResolverOverSockets(t *testing.T) {
	t.Parallel()
	zone := map[string][]string{
		"NAPTR example.com.": {`example.com. 60 IN NAPTR 10 10 "S" "sip+d2t" "" _sip._tcp.example.com.`},
		"SRV _sip._tcp.example.com.": {
			"_sip._tcp.example.com. 60 IN CNAME srv.example.net.",
			"srv.example.net. 60 IN SRV 10 0 5070 GW.Example.net.",
		},
		"A gw.example.net.":    {"gw.example.net. 60 IN A 192.0.2.1"},
		"AAAA gw.example.net.": {"gw.example.net. 60 IN AAAA 2001:db8::1"},
	}
	server := serveDNS(t, func(w dns.ResponseWriter, m *dns.Msg) {
		q := m.Question[0]
		reply(t, w, m, zone[dns.TypeToString[q.Qtype]+" "+q.Name], nil)
	})
	heard := make(chan string, 1)
	r := New(Config{Servers: []netip.AddrPort{server}}, sinkFunc(func(_ uint64, h Hops, err error) { heard <- show(h, err) }))
	ctx, cancel := context.WithCancel(t.Context())
	var run sync.WaitGroup
	run.Go(func() { r.Run(ctx) })
	q := Query{Host: []byte("Example.com"), Speaks: speaking("udp4 tcp4 tcp6")}
	if err := r.Ask(q, 7); err != nil {
		t.Fatal(err)
	}
	const want = "tcp:[2001:db8::1]:5070 tcp:192.0.2.1:5070"
	if got := <-heard; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if h, state := r.Cache().Get(r.now(), q); state != Hit || h.Protocol() != flow.TCP {
		t.Errorf("the cache has state %d", state)
	}
	cancel()
	run.Wait()
	if n := r.Stats().Panics; n != 0 {
		t.Errorf("%d panics were recovered", n)
	}
}

type sinkFunc func(uint64, Hops, error)

func (f sinkFunc) Resolved(token uint64, h Hops, err error) { f(token, h, err) }
