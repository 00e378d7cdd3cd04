package resolve

import (
	"context"
	"net/netip"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"viaduct/internal/flow"
)

// packet is an Exchanger that always answers with the same bytes, as if they had
// come for the question.
type packet []byte

func (p packet) Exchange(_ context.Context, _ netip.AddrPort, q Question, _ <-chan struct{}) (Reply, error) {
	m := new(dns.Msg)
	if err := m.Unpack(p); err != nil {
		return Reply{}, err
	}
	for _, r := range m.Answer { // half of the input should lead somewhere
		if r.Header().Name == "." {
			r.Header().Name = dns.Fqdn(q.Name)
		}
	}
	return replyOf(m), nil
}

func FuzzAnswer(f *testing.F) {
	for _, records := range [][]string{
		{". 60 IN A 192.0.2.1", ". 60 IN AAAA 2001:db8::1"},
		{`. 60 IN NAPTR 10 10 "s" "SIP+D2U" "" _sip._udp.example.com.`, ". 60 IN SRV 1 2 5060 gw.example.com.", ". 60 IN A 192.0.2.1"},
		{". 60 IN CNAME b.example.com.", "b.example.com. 60 IN CNAME .", "b.example.com. 60 IN A 192.0.2.1"},
		{". 60 IN SRV 0 0 0 .", ". 60 IN AAAA ::ffff:192.0.2.1"},
	} {
		m := new(dns.Msg)
		m.SetQuestion("example.com.", dns.TypeA)
		for _, text := range records {
			m.Answer = append(m.Answer, rr(f, text))
		}
		m.Ns = append(m.Ns, rr(f, "com. 900 IN SOA ns.example. root.example. 1 2 3 4 77"))
		b, err := m.Pack()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b, uint16(everything), byte(0), false)
		f.Add(b, uint16(speaking("udp4 tcp6")), byte(2), false)
		f.Add(b, uint16(everything), byte(0), true)
	}
	f.Fuzz(func(t *testing.T, b []byte, speaks uint16, transport byte, sips bool) {
		r := New(Config{Exchanger: packet(b), Servers: server1Only}, nil)
		q := Query{Host: []byte("example.com"), Speaks: Set(speaks) & everything, SIPS: sips, Transport: flow.Protocol(transport % 6)}
		h, err := r.Walk(t.Context(), q, func(s Step) {
			if !isName(s.Question.Name) {
				t.Errorf("asked for %q", s.Question.Name)
			}
			for _, rec := range s.Records {
				if strings.ContainsAny(rec.String(), "\r\n") {
					t.Errorf("a record with a line end: %q", rec.String())
				}
			}
		})
		r.running.Wait()
		if n := r.Stats().Panics; n != 0 {
			t.Fatalf("%d panics were recovered", n)
		}
		if (err == nil) != (h.Len() > 0) || h.Len() > maxHops {
			t.Fatalf("%d hops and error %v", h.Len(), err)
		}
		if again := walkOf(h, 1); len(again) != h.Len() {
			t.Fatalf("walked %d of %d hops", len(again), h.Len())
		}
		for it := h.Iterator(2); ; {
			p, to, ok := it.Next()
			if !ok {
				break
			}
			if !q.Speaks.Reaches(p, to.Addr()) || to.Port() == 0 || sips && !p.Secure() {
				t.Fatalf("hop %s %s for %+v", p, to, q)
			}
		}
	})
}

func FuzzQuery(f *testing.F) {
	f.Add([]byte("example.com."), uint16(5060), uint16(3), byte(1))
	f.Add([]byte("[2001:db8::1]"), uint16(0), uint16(everything), byte(0))
	f.Fuzz(func(t *testing.T, host []byte, port, speaks uint16, transport byte) {
		q := Query{Host: host, Port: port, Speaks: Set(speaks) & everything, Transport: flow.Protocol(transport % 6)}
		c := newCache(Limits{}.withDefaults())
		h, state := c.Get(1, q)
		if (state == Hit) != (h.Len() > 0) {
			t.Fatalf("state %d with %d hops", state, h.Len())
		}
		key := q.AppendTo(nil)
		if back, ok := ParseQuery(key); ok && string(back.AppendTo(nil)) != string(key) && !strings.HasSuffix(string(host), "..") {
			t.Fatalf("%q is %q when read back", key, back.AppendTo(nil))
		}
	})
}

func FuzzFiles(f *testing.F) {
	f.Add("nameserver 192.0.2.1\n192.0.2.1 a b # c\n")
	f.Fuzz(func(t *testing.T, text string) {
		if servers, err := parseServers(strings.NewReader(text)); err == nil && len(servers) == 0 {
			t.Error("no servers and no error")
		}
		if h, err := parseHosts(strings.NewReader(text)); err == nil {
			h.lookup("a")
		}
	})
}
