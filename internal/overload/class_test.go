package overload

import (
	"strings"
	"testing"

	"viaduct/sip"
)

func message(start string, lines ...string) []byte {
	return []byte(start + "\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\n" + strings.Join(lines, "\r\n") + "\r\n\r\n")
}

func TestClassOf(t *testing.T) {
	t.Parallel()
	const invite, register = "INVITE sip:bob@example.org SIP/2.0", "REGISTER sip:example.org SIP/2.0"
	for _, c := range []struct {
		name string
		wire []byte
		want Class
	}{
		{"a response", message("SIP/2.0 200 OK", "To: <sip:b@c>"), UnderWay},
		{"a response in small letters", message("sip/2.0 200 OK"), UnderWay},
		{"line ends before it", append([]byte("\r\n\r\n"), message("SIP/2.0 180 Ringing")...), UnderWay},
		{"an ACK", message("ACK sip:bob@example.org SIP/2.0", "To: <sip:b@c>"), UnderWay},
		{"a CANCEL", message("CANCEL sip:bob@example.org SIP/2.0", "To: <sip:b@c>"), UnderWay},
		{"a BYE", message("BYE sip:bob@example.org SIP/2.0", "To: <sip:b@c>;tag=1"), UnderWay},
		{"a BYE of nothing", message("BYE sip:bob@example.org SIP/2.0", "To: <sip:b@c>"), Other},
		{"an INVITE", message(invite, "From: <sip:a@b>;tag=1", "To: <sip:b@c>"), Call},
		{"a tag that is a URI parameter", message(invite, "To: <sip:b@c;tag=1>"), Call},
		{"a re-INVITE", message(invite, "To: Bob <sip:b@c>;x=y ; tag = 1"), UnderWay},
		{"a re-INVITE without brackets", message(invite, "to : sip:b@c;tag=1"), UnderWay},
		{"a re-INVITE, compact", message(invite, "t: <sip:b@c>;TAG=1"), UnderWay},
		{"a re-INVITE with a fold", message(invite, "To: <sip:b@c>", " ;tag=1"), UnderWay},
		{"a tag in the body", message(invite, "To: <sip:b@c>", "", "To: <sip:b@c>;tag=1"), Call},
		{"no To", message(invite, "Subject: x"), Call},
		{"another header field of two letters", message(invite, "Tx: <sip:b@c>;tag=1", "To: <sip:b@c>"), Call},
		{"a REGISTER", message(register, "To: <sip:b@c>", "CSeq: 1 REGISTER"), Register},
		{"a REGISTER with credentials", message(register, "CSeq: 1 REGISTER", "authorization: Digest x"), Refresh},
		{"a REGISTER that is not the first", message(register, "CSeq:  0002 REGISTER"), Refresh},
		{"a REGISTER, the twelfth", message(register, "cseq: 12 REGISTER"), Refresh},
		{"OPTIONS", message("OPTIONS sip:example.org SIP/2.0", "To: <sip:b@c>"), Other},
		{"a NOTIFY", message("NOTIFY sip:bob@example.org SIP/2.0", "To: <sip:b@c>;tag=1"), UnderWay},
		{"garbage", []byte("garbage"), Other},
		{"nothing", nil, Other},
	} {
		if got := ClassOf(c.wire); got != c.want {
			t.Errorf("%s: got %s, want %s", c.name, got, c.want)
		}
	}
}

func TestRepeated(t *testing.T) {
	t.Parallel()
	for start, want := range map[string]bool{"INVITE sip:b@c SIP/2.0": true, "BYE sip:b@c SIP/2.0": true, "ACK sip:b@c SIP/2.0": false, "sip/2.0 200 OK": false, "": true} {
		if got := Repeated(message(start)); got != want {
			t.Errorf("%q: got %v", start, got)
		}
	}
}

func TestAcknowledges(t *testing.T) {
	t.Parallel()
	const ack = "ACK sip:bob@example.org SIP/2.0"
	for _, c := range []struct {
		wire []byte
		want bool
	}{
		{message(ack, "From: <sip:a@b>;tag=shed", "To: <sip:b@c>;tag=shed1234"), true},
		{message(ack, "t: <sip:b@c> ; tag = shed"), true},
		{message(ack, "To: <sip:b@c>;tag=she"), false},
		{message(ack, "To: <sip:b@c;tag=shed>"), false},
		{message(ack, "To: <sip:b@c>", "To: <sip:b@c>;tag=shed"), false},
		{message(ack), false},
		{message("BYE sip:bob@example.org SIP/2.0", "To: <sip:b@c>;tag=shed"), false},
		{nil, false},
	} {
		if got := Acknowledges(c.wire, []byte("shed")); got != c.want {
			t.Errorf("%s: got %v", c.wire, got)
		}
	}
}

func TestClassOfAllocatesNothing(t *testing.T) {
	wire := message("INVITE sip:bob@example.org SIP/2.0", "Max-Forwards: 70", "From: <sip:a@b>;tag=1", "To: <sip:b@c>")
	if n := testing.AllocsPerRun(100, func() { _ = ClassOf(wire) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzClass holds the quick look against the parser, for messages that it takes.
func FuzzClass(f *testing.F) {
	f.Add(message("INVITE sip:bob@example.org SIP/2.0", "t: <sip:b@c>;tag=1"))
	f.Add(message("REGISTER sip:example.org SIP/2.0", "CSeq: 2 REGISTER"))
	f.Add(message("SIP/2.0 200 OK", "To: \"a>;tag=b\" <sip:b@c>"))
	f.Fuzz(func(t *testing.T, wire []byte) {
		got := ClassOf(wire)
		var m sip.Message
		if len(wire) > maxScan || m.Parse(wire) != nil || m.Check() != nil {
			return
		}
		want := got
		switch method := m.Method(); {
		case !m.IsRequest() || method == sip.ACK || method == sip.CANCEL:
			want = UnderWay
		case method != sip.REGISTER && m.ToTag() != nil:
			want = UnderWay
		case method == sip.INVITE:
			want = Call
		case method == sip.REGISTER:
			if want != Register && want != Refresh {
				want = Register
			}
		default:
			want = Other
		}
		if got != want {
			t.Errorf("got %s, want %s:\n%s", got, want, wire)
		}
	})
}

func BenchmarkClassOf(b *testing.B) {
	wire := message("INVITE sip:bob@example.org SIP/2.0", "Max-Forwards: 70", "From: \"Alice\" <sip:alice@example.net>;tag=1928301774", "To: <sip:bob@example.org>", "Call-ID: x", "CSeq: 1 INVITE")
	b.ReportAllocs()
	for b.Loop() {
		_ = ClassOf(wire)
	}
}
