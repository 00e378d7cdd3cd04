package overload

import (
	"strings"
	"testing"

	"golang.org/x/net/bpf"

	"viaduct/sip"
)

// sift runs a Sieve whose dice show thrown. The kernel puts the UDP header first.
func sift(tb testing.TB, share, thrown uint32) func(wire []byte) (through bool) {
	tb.Helper()
	vm, err := bpf.NewVM(sieve(share, bpf.LoadConstant{Val: thrown}))
	if err != nil {
		tb.Fatal(err)
	}
	return func(wire []byte) bool {
		n, err := vm.Run(append(make([]byte, udpHeader), wire...))
		if err != nil {
			tb.Fatal(err)
		}
		return n > 0
	}
}

// Proves: RB-7
func TestSieve(t *testing.T) {
	t.Parallel()
	const invite, register = "INVITE sip:bob@example.org SIP/2.0", "REGISTER sip:example.org SIP/2.0"
	through := sift(t, 0, 1)
	for _, c := range []struct {
		name string
		wire []byte
		want bool
	}{
		{"an INVITE", message(invite, "From: <sip:a@b>;tag=1", "To: <sip:b@c>", "CSeq: 1 INVITE"), false},
		{"an INVITE, compact", message(invite, "f: <sip:a@b>;tag=1", "t: <sip:b@c>", "CSeq: 1 INVITE"), false},
		{"a REGISTER", message(register, "TO: <sip:b@c>", "CSeq: 1 REGISTER"), false},
		{"a display name with a bracket", message(invite, `To: "a>b" <sip:b@c>`, "CSeq: 1 INVITE"), true},
		{"no brackets", message(invite, "To: sip:b@c", "Contact: <sip:a@d>", "CSeq: 1 INVITE"), true},
		{"a Timestamp before", message(invite, "Timestamp: 1", "Subject: something that is longer", "To: <sip:b@c>", "CSeq: 1 INVITE"), true},
		{"OPTIONS", message("OPTIONS sip:example.org SIP/2.0", "To: <sip:b@c>", "CSeq: 1 OPTIONS"), false},
		{"a re-INVITE", message(invite, "To: Bob <sip:b@c>;tag=1", "CSeq: 2 INVITE"), true},
		{"a re-INVITE with spaces", message(invite, "To: <sip:b@c> ; Tag = 1", "CSeq: 2 INVITE"), true},
		{"a re-INVITE, compact", message(invite, "t: <sip:b@c>;TAG=1", "CSeq: 2 INVITE"), true},
		{"a re-INVITE with a fold", message(invite, "To: <sip:b@c>", "\t;tag=1", "CSeq: 2 INVITE"), true},
		{"a NOTIFY", message("NOTIFY sip:bob@example.org SIP/2.0", "To: <sip:b@c>", "CSeq: 1 NOTIFY"), true},
		{"a BYE", message("BYE sip:bob@example.org SIP/2.0", "To: <sip:b@c>", "CSeq: 1 BYE"), true},
		{"an ACK", message("ACK sip:bob@example.org SIP/2.0", "To: <sip:b@c>", "CSeq: 1 ACK"), true},
		{"a response", message("SIP/2.0 200 OK", "To: <sip:b@c>", "CSeq: 1 INVITE"), true},
		{"To far away", message(invite, "Subject: "+strings.Repeat("x", sieveScan), "To: <sip:b@c>", "CSeq: 1 INVITE"), true},
		{"a long To", message(invite, "To: <sip:"+strings.Repeat("b", sieveLine)+"@c>", "CSeq: 1 INVITE", "Subject: "+strings.Repeat("x", 100)), true},
		{"no To", message(invite, "Subject: "+strings.Repeat("x", 2*sieveScan)), true},
		{"short", []byte("INVITE x\r\n\r\n"), true},
		{"nothing", nil, true},
	} {
		if got := through(c.wire); got != c.want {
			t.Errorf("%s: through is %v, want %v", c.name, got, c.want)
		}
	}
}

// Wherever the line of To begins, and wherever it ends.
func TestSieveFindsToAtEveryOffset(t *testing.T) {
	t.Parallel()
	through := sift(t, 0, 1)
	for n := range 60 {
		pad, user := strings.Repeat("x", n), strings.Repeat("b", n%7)
		if through(message("INVITE sip:bob@example.org SIP/2.0", "Subject: "+pad, "To: <sip:"+user+"@c>", "CSeq: 1 INVITE")) {
			t.Errorf("%d: new work came through", n)
		}
		if !through(message("INVITE sip:bob@example.org SIP/2.0", "Subject: "+pad, "To: <sip:"+user+"@c>;tag=1", "CSeq: 1 INVITE")) {
			t.Errorf("%d: a re-INVITE did not", n)
		}
	}
}

// A share of the INVITEs comes through, and half as much of what is wanted less.
func TestSieveLetsAShareThrough(t *testing.T) {
	t.Parallel()
	call, other := message("INVITE sip:b@c SIP/2.0", "To: <sip:b@c>", "CSeq: 1 INVITE"), message("MESSAGE sip:b@c SIP/2.0", "To: <sip:b@c>", "CSeq: 1 MESSAGE")
	for _, c := range []struct {
		thrown      uint32
		call, other bool
	}{{0, true, true}, {499, true, true}, {500, true, false}, {999, true, false}, {1000, false, false}, {1<<32 - 1, false, false}} {
		through := sift(t, 1000, c.thrown)
		if got := through(call); got != c.call {
			t.Errorf("dice show %d: INVITE through is %v", c.thrown, got)
		}
		if got := through(other); got != c.other {
			t.Errorf("dice show %d: MESSAGE through is %v", c.thrown, got)
		}
	}
}

// The kernel takes 4,096 instructions.
func TestSieveFitsTheKernel(t *testing.T) {
	t.Parallel()
	raw, err := Sieve(1 << 20)
	if err != nil || len(raw) > 4096 {
		t.Errorf("%d instructions, %v", len(raw), err)
	}
}

// FuzzSieve holds that nothing is dropped that belongs to what is under way.
func FuzzSieve(f *testing.F) {
	f.Add(message("INVITE sip:bob@example.org SIP/2.0", "t: <sip:b@c>;tag=1", "CSeq: 1 INVITE"))
	f.Add(message("REGISTER sip:example.org SIP/2.0", "To: <sip:b@c>", "CSeq: 2 REGISTER"))
	f.Add(message("INVITE sip:b@c SIP/2.0", "To: \"a\r\n >;tag=b\" <sip:b@c>", "CSeq: 2 INVITE"))
	through := sift(f, 0, 1)
	f.Fuzz(func(t *testing.T, wire []byte) {
		var m sip.Message
		if len(wire) > maxScan || through(wire) || m.Parse(wire) != nil || m.Check() != nil {
			return
		}
		if class := ClassOf(wire); class == UnderWay {
			t.Errorf("dropped %q", wire)
		}
	})
}
