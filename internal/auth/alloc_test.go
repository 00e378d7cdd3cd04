package auth

import (
	"fmt"
	"testing"

	"viaduct/sip"
)

// messages makes n requests with right answers to one nonce.
func (b *bench) messages(n int) []*sip.Message {
	a := b.answer()
	var all []*sip.Message
	for i := range n {
		a.algorithm = SHA256 + Algorithm(i%3)
		a.nc = fmt.Sprintf("%08x", i+1)
		other := a
		other.realm = "example.org"
		all = append(all, request(b.t, "INVITE", a.uri, "Proxy-Authorization: "+other.String(), "Proxy-Authorization: "+a.String()))
	}
	return all
}

func TestAllocVerify(t *testing.T) {
	b := newBench(t, nil)
	b.judge(b.messages(1)[0], Proxy) // the buffers grow once
	all, i := b.messages(200), 0
	if got := testing.AllocsPerRun(len(all)-1, func() {
		if got := b.judge(all[i], Proxy); got != Good {
			t.Fatalf("request %d: %v", i, got)
		}
		i++
	}); got != 0 {
		t.Errorf("good credentials: %v allocations", got)
	}
	if got := testing.AllocsPerRun(100, func() { b.judge(all[0], Proxy) }); got != 0 {
		t.Errorf("a replay: %v allocations", got)
	}
	b.h = nil
	if got := testing.AllocsPerRun(100, func() { b.judge(all[0], Proxy) }); got != 0 {
		t.Errorf("an unknown user: %v allocations", got)
	}
}

func TestAllocChallenge(t *testing.T) {
	b := newBench(t, nil)
	b.v.random = func(p []byte) { p[0]++ }
	dst := make([]byte, 0, 1024)
	if got := testing.AllocsPerRun(100, func() { dst = b.v.AppendChallenge(dst[:0], b.now, Proxy, b.realm, true) }); got != 0 {
		t.Errorf("%v allocations", got)
	}
}

func TestAllocIdentity(t *testing.T) {
	b := newBench(t, nil)
	uri, err := sip.ParseURI([]byte("sip:%61lice@example.com"))
	if err != nil {
		t.Fatal(err)
	}
	value, user := []byte(b.answer().String()), []byte("alice")
	if got := testing.AllocsPerRun(100, func() {
		if !b.realm.Speaks(user, &uri) || !Ours([]*Realm{b.realm}, value) {
			t.Fatal("somebody else's")
		}
	}); got != 0 {
		t.Errorf("%v allocations", got)
	}
}

func BenchmarkVerify(b *testing.B) {
	for _, a := range []Algorithm{SHA256, SHA512256, MD5} {
		b.Run(a.String(), func(b *testing.B) {
			s := newBench(b, nil)
			right := s.answer()
			right.algorithm = a
			m := request(b, "INVITE", right.uri, "Proxy-Authorization: "+right.String())
			b.ReportAllocs()
			for b.Loop() {
				s.judge(m, Proxy)
			}
		})
	}
}

func BenchmarkChallenge(b *testing.B) {
	s := newBench(b, nil)
	s.v.random = func(p []byte) { p[0]++ }
	dst := make([]byte, 0, 1024)
	b.ReportAllocs()
	for b.Loop() {
		dst = s.v.AppendChallenge(dst[:0], s.now, Proxy, s.realm, false)
	}
}
