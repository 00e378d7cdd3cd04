package registrar_test

import (
	"strconv"
	"testing"
	"time"

	"viaduct/internal/location"
	"viaduct/internal/registrar"
	"viaduct/sip"
)

// A refresh, which nearly every REGISTER is, allocates nothing from the parsed
// message to the header lines of its 200; nor does a fetch, nor a refusal.
func TestRegisterAllocatesNothing(t *testing.T) {
	phone := []string{
		"Via: SIP/2.0/UDP 10.0.0.7:5060;branch=z9hG4bK1;rport", "User-Agent: Phone/1.0", "Supported: gruu, path, outbound",
		`Contact: <sip:bob@10.0.0.7:5060;ob>;q=0.7;expires=600;+sip.instance="<urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6>";audio`,
	}
	for _, c := range []struct {
		name   string
		lines  []string
		status int
	}{
		{"refresh", phone, 200},
		{"refresh with outbound", append(phone[:3:3], phone[3]+";reg-id=1"), 200},
		{"fetch", phone[:2], 200},
		{"too brief", []string{"Contact: <sip:bob@10.0.0.7>;expires=1"}, 423},
		{"unknown extension", []string{"Require: x"}, 420},
		{"unknown domain", []string{"To: <sip:bob@example.net>"}, 404},
	} {
		d := newDesk(t)
		seq := 10
		next := func() *sip.Message {
			seq++
			m := new(sip.Message)
			if err := m.Parse(compose("", append(c.lines, "CSeq: "+strconv.Itoa(seq)+" REGISTER")...)); err != nil {
				t.Fatal(err)
			}
			return m
		}
		const runs = 100
		var messages []*sip.Message
		for range runs + 2 {
			messages = append(messages, next())
		}
		out := make([]byte, 0, 4096)
		step := func() {
			m := messages[0]
			messages = messages[1:]
			d.now = d.now.Add(time.Second)
			if out = d.step(m, out[:0]); d.last != c.status {
				t.Fatalf("%s: got %d, want %d", c.name, d.last, c.status)
			}
		}
		step()
		if got := testing.AllocsPerRun(runs, step); got != 0 {
			t.Errorf("%s: %v allocations, want 0", c.name, got)
		}
	}
}

// What is kept open is found without an allocation, but for one a walk.
func TestKeepalivesAllocateNothingPerBinding(t *testing.T) {
	d := newDesk(t)
	for i := range 100 {
		d.send("", "Contact: <sip:a@10.0.0.7>", "To: <sip:"+strconv.Itoa(i)+"@example.com>")
	}
	var k registrar.Keepalives
	met := 0
	see := func(*location.Binding) { met++ }
	got := testing.AllocsPerRun(100, func() {
		d.now = d.now.Add(time.Second)
		k.Due(d.now, d.d, 1000, see)
	})
	if got > 3 {
		t.Errorf("%v allocations a walk, want no more than 3", got)
	}
	if met < 300 {
		t.Errorf("met %d", met)
	}
}
