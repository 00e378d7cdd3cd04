package siptest

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"viaduct/internal/flow"
)

// calls is a trace with something for every rule: a fork that is answered, a
// refused call, a cancelled one, a MESSAGE, a BYE.
const calls = `
actor alice 127.0.0.1:5070
actor bob1  127.0.0.1:5071
actor bob2  127.0.0.1:5072
config: sip:bob@${bob1} sip:bob@${bob2}
alice -> proxy INVITE sip:bob@example.org sdp h:Subject=one h:Organization=two add:Route=<sip:127.0.0.1:5060;lr>
proxy -> alice 100
proxy -> bob1 INVITE
proxy -> bob2 INVITE
bob1 -> proxy 180 h:Server=bob
proxy -> alice 180
bob2 -> proxy 100
bob2 -> proxy 200 sdp
proxy -> alice 200
proxy -> bob1 CANCEL
bob1 -> proxy 200 cseq=CANCEL
bob1 -> proxy 487 cseq=INVITE
proxy -> bob1 ACK
alice -> proxy ACK
proxy -> bob2 ACK
bob2 -> proxy BYE
proxy -> alice BYE
alice -> proxy 200
proxy -> bob2 200
+1s
alice -> proxy INVITE sip:bob@example.org call=2
proxy -> alice 100 call=2
proxy -> bob1 INVITE call=2
proxy -> bob2 INVITE call=2
bob1 -> proxy 486 call=2
proxy -> bob1 ACK call=2
bob2 -> proxy 100 call=2
bob2 -> proxy 603 call=2
proxy -> bob2 ACK call=2
proxy -> alice 603 call=2
alice -> proxy ACK call=2
alice -> proxy INVITE sip:bob@example.org call=3
proxy -> alice 100 call=3
proxy -> bob1 INVITE call=3
proxy -> bob2 INVITE call=3
bob1 -> proxy 183 call=3
proxy -> alice 183 call=3
bob2 -> proxy 180 call=3
proxy -> alice 180 call=3
alice -> proxy CANCEL call=3
proxy -> alice 200 cseq=CANCEL call=3
proxy -> bob1 CANCEL call=3
proxy -> bob2 CANCEL call=3
bob1 -> proxy 200 cseq=CANCEL call=3
bob2 -> proxy 200 cseq=CANCEL call=3
bob1 -> proxy 487 cseq=INVITE call=3
proxy -> bob1 ACK call=3
bob2 -> proxy 487 cseq=INVITE call=3
proxy -> bob2 ACK call=3
proxy -> alice 487 call=3
alice -> proxy ACK call=3
alice -> proxy MESSAGE sip:bob@example.org call=4 body=hello
proxy -> bob1 MESSAGE call=4
proxy -> bob2 MESSAGE call=4
bob1 -> proxy 200 call=4
proxy -> alice 200 call=4
bob2 -> proxy 200 call=4
alice -> proxy INVITE sip:bob@example.org call=5 h:Max-Breadth=10
proxy -> alice 100 call=5
proxy -> bob1 INVITE call=5
proxy -> bob2 INVITE call=5
bob1 -> proxy 180 call=5
proxy -> alice 180 call=5
bob2 -> proxy 603 call=5
proxy -> bob2 ACK call=5
proxy -> bob1 CANCEL call=5
bob1 -> proxy 487 cseq=INVITE call=5
proxy -> bob1 ACK call=5
proxy -> alice 603 call=5
alice -> proxy ACK call=5
`

// tape is a trace that can be spoilt.
type tape struct {
	t *testing.T
	*Trace
}

// find is the nth message (from 1) of a call to a party that left, or with
// "<" before what, that was received from it.
func (p *tape) find(call int, what, party string, nth int) *Event {
	p.t.Helper()
	what, received := strings.CutPrefix(what, "<")
	for _, e := range p.Events {
		m := e.Message()
		got, method := m.CSeq()
		name := m.Method
		if !m.IsRequest() {
			name = strings.Join([]string{m.Wire[8:11], method}, " ")
		}
		peer := e.To
		if received {
			peer = e.From
		}
		if got >= 0 && name == what && peer == party && e.arrives() == received && m.CallID() == "call-"+string(rune('0'+call)) {
			if nth--; nth == 0 {
				return e
			}
		}
	}
	p.t.Fatalf("no %s of %s in call %d", what, party, call)
	return nil
}

// edit replaces text in a message, all of it.
func (p *tape) edit(e *Event, old, new string) {
	p.t.Helper()
	if !strings.Contains(string(e.Wire), old) {
		p.t.Fatalf("no %q in\n%s", old, e.Wire)
	}
	e.Wire, e.msg = []byte(strings.ReplaceAll(string(e.Wire), old, new)), nil
}

func (p *tape) remove(e *Event) {
	p.Events = slices.DeleteFunc(p.Events, func(x *Event) bool { return x == e })
}

// copy puts a copy of a message some time after another one.
func (p *tape) copy(e, after *Event, d time.Duration) *Event {
	c := *e
	c.At, c.msg = after.At.Add(d), nil
	p.Events = slices.Insert(p.Events, slices.Index(p.Events, after)+1, &c)
	return &c
}

const ownVia = "Via: SIP/2.0/UDP 127.0.0.1:5060"

func TestAuditFindsEachViolation(t *testing.T) {
	broken := map[string]bool{}
	for _, c := range []struct {
		name  string
		rule  string
		spoil func(p *tape)
	}{
		{"a bare LF", "wellformed", func(p *tape) {
			p.edit(p.find(1, "INVITE", "bob1", 1), "Subject: one\r\n", "Subject: one\n")
		}},
		{"a wrong Content-Length", "wellformed", func(p *tape) {
			p.edit(p.find(4, "MESSAGE", "bob1", 1), "Content-Length: 5", "Content-Length: 50")
		}},
		{"a listener that does not fit", "wellformed", func(p *tape) { p.find(1, "INVITE", "bob1", 1).From = "?" }},
		{"no own Via", "via-push", func(p *tape) {
			e := p.find(1, "INVITE", "bob1", 1)
			p.edit(e, "Via: "+e.Message().TopVia().Text+"\r\n", "")
		}},
		{"two own Vias", "via-push", func(p *tape) {
			e := p.find(1, "INVITE", "bob1", 1)
			p.edit(e, "Via: "+e.Message().TopVia().Text+"\r\n", ownVia+";branch=z9hG4bKx\r\n"+ownVia+";branch=z9hG4bKy\r\n")
		}},
		{"a Via of somebody else", "via-push", func(p *tape) { p.edit(p.find(1, "INVITE", "bob1", 1), ownVia, "Via: SIP/2.0/UDP 127.0.0.9:5060") }},
		{"a Via with another transport", "via-push", func(p *tape) { p.edit(p.find(1, "INVITE", "bob1", 1), ownVia, "Via: SIP/2.0/TCP 127.0.0.1:5060") }},
		{"a changed lower Via", "via-push", func(p *tape) { p.edit(p.find(1, "INVITE", "bob1", 1), "z9hG4bK-alice-1", "z9hG4bK-alice-x") }},
		{"a CANCEL of nothing", "via-push", func(p *tape) {
			e := p.find(1, "CANCEL", "bob1", 1)
			p.edit(e, e.Message().Branch(), "z9hG4bKother")
		}},
		{"the own Via left in a response", "via-pop", func(p *tape) {
			p.edit(p.find(1, "180 INVITE", "alice", 1), "Via: ", ownVia+";branch=z9hG4bKfork1\r\nVia: ")
		}},
		{"the caller's Via taken off", "via-pop", func(p *tape) {
			e := p.find(1, "180 INVITE", "alice", 1)
			p.edit(e, "Via: "+e.Message().TopVia().Text+"\r\n", "")
		}},
		{"a response to another port", "response-hop", func(p *tape) {
			p.find(1, "180 INVITE", "alice", 1).Hop.Remote = netip.MustParseAddrPort("127.0.0.1:5999")
		}},
		{"a branch used for two requests", "branch", func(p *tape) {
			p.edit(p.find(1, "INVITE", "bob2", 1), "z9hG4bKfork2", "z9hG4bKfork1")
		}},
		{"a branch used for two methods", "branch", func(p *tape) {
			e := p.find(1, "BYE", "alice", 1)
			p.edit(e, e.Message().Branch(), p.find(1, "INVITE", "bob1", 1).Message().Branch())
		}},
		{"a branch of another call", "branch", func(p *tape) {
			e := p.find(2, "INVITE", "bob1", 1)
			p.edit(e, e.Message().Branch(), p.find(1, "INVITE", "bob1", 1).Message().Branch())
		}},
		{"the ACK of a 2xx in the INVITE's transaction", "branch", func(p *tape) {
			e := p.find(1, "ACK", "bob2", 1)
			p.edit(e, e.Message().Branch(), p.find(1, "INVITE", "bob2", 1).Message().Branch())
		}},
		{"a branch without cookie", "branch", func(p *tape) {
			p.edit(p.find(4, "MESSAGE", "bob1", 1), "branch=z9hG4bKfork", "branch=fork")
		}},
		{"Max-Forwards as it was", "max-forwards", func(p *tape) { p.edit(p.find(1, "INVITE", "bob1", 1), "Max-Forwards: 69", "Max-Forwards: 70") }},
		{"Max-Forwards left out", "max-forwards", func(p *tape) { p.edit(p.find(1, "INVITE", "bob1", 1), "Max-Forwards: 69\r\n", "") }},
		{"more Max-Breadth than came", "max-breadth", func(p *tape) { p.edit(p.find(5, "INVITE", "bob1", 1), "Max-Breadth: 10", "Max-Breadth: 11") }},
		{"two values of Max-Breadth", "max-breadth", func(p *tape) {
			p.edit(p.find(5, "INVITE", "bob1", 1), "Max-Breadth: 10", "Max-Breadth: 5\r\nMax-Breadth: 5")
		}},
		{"another CSeq in a response", "via-pop", func(p *tape) { p.edit(p.find(1, "180 INVITE", "alice", 1), "CSeq: 1", "CSeq: 2") }},
		{"another From", "unchanged", func(p *tape) { p.edit(p.find(1, "INVITE", "bob1", 1), "From: <sip:alice", "From: <sip:alicia") }},
		{"another Call-ID", "via-push", func(p *tape) { p.edit(p.find(1, "INVITE", "bob1", 1), "Call-ID: call-1", "Call-ID: call-9") }},
		{"another To in a request", "unchanged", func(p *tape) { p.edit(p.find(1, "INVITE", "bob1", 1), "To: <sip:bob@", "To: <sip:bobby@") }},
		{"another To tag in a 180", "unchanged", func(p *tape) { p.edit(p.find(1, "180 INVITE", "alice", 1), "tag=bob1-1", "tag=proxy") }},
		{"another From in a response", "unchanged", func(p *tape) { p.edit(p.find(1, "180 INVITE", "alice", 1), "tag=alice-1", "tag=eve") }},
		{"a To tag in its own 100", "unchanged", func(p *tape) {
			p.edit(p.find(1, "100 INVITE", "alice", 1), "To: <sip:bob@example.org>", "To: <sip:bob@example.org>;tag=x")
		}},
		{"no To tag in its own 200", "unchanged", func(p *tape) { p.edit(p.find(3, "200 CANCEL", "alice", 1), ";tag=fork", "") }},
		{"a header line added", "bytes", func(p *tape) { p.edit(p.find(1, "INVITE", "bob1", 1), "Subject: one", "Subject: one\r\nX-Proxy: me") }},
		{"a header line lost", "bytes", func(p *tape) { p.edit(p.find(1, "INVITE", "bob1", 1), "Subject: one\r\n", "") }},
		{"a header line respelt", "bytes", func(p *tape) { p.edit(p.find(1, "INVITE", "bob1", 1), "Subject: one", "subject: one") }},
		{"header lines in another order", "bytes", func(p *tape) {
			p.edit(p.find(1, "INVITE", "bob1", 1), "Subject: one\r\nOrganization: two", "Organization: two\r\nSubject: one")
		}},
		{"a byte of the body", "bytes", func(p *tape) { p.edit(p.find(4, "MESSAGE", "bob1", 1), "hello", "jello") }},
		{"a foreign Record-Route", "bytes", func(p *tape) {
			p.edit(p.find(1, "INVITE", "bob1", 1), "Record-Route: <sip:127.0.0.1:5060", "Record-Route: <sip:192.0.2.66:5060")
		}},
		{"a Route that nobody sent", "bytes", func(p *tape) {
			p.edit(p.find(1, "INVITE", "bob1", 1), "Subject: one", "Route: <sip:192.0.2.66;lr>\r\nSubject: one")
		}},
		{"a credential that nobody sent", "bytes", func(p *tape) {
			p.edit(p.find(1, "INVITE", "bob1", 1), "Subject: one", "Proxy-Authorization: Digest x\r\nSubject: one")
		}},
		{"a header line added to a response", "bytes", func(p *tape) { p.edit(p.find(1, "180 INVITE", "alice", 1), "Server: bob", "Server: proxy") }},
		{"another reason phrase", "bytes", func(p *tape) { p.edit(p.find(1, "180 INVITE", "alice", 1), "180 Ringing", "180 Klingelt") }},
		{"Record-Route taken out of a response", "bytes", func(p *tape) {
			p.edit(p.find(1, "200 INVITE", "alice", 1), "Record-Route: <sip:127.0.0.1:5060;lr>\r\n", "")
		}},
		{"an odd field in its own response", "bytes", func(p *tape) { p.edit(p.find(1, "100 INVITE", "alice", 1), "CSeq:", "Subject: one\r\nCSeq:") }},
		{"a second final response", "one-final", func(p *tape) {
			e := p.find(2, "603 INVITE", "alice", 1)
			p.edit(p.copy(e, e, 0), "603 Decline", "486 Busy Here")
		}},
		{"a non-2xx after the 2xx", "one-final", func(p *tape) {
			e := p.find(1, "200 INVITE", "alice", 1)
			p.edit(p.copy(e, e, 0), "200 OK", "486 Busy Here")
		}},
		{"two finals to a MESSAGE", "one-final", func(p *tape) {
			e := p.find(4, "200 MESSAGE", "alice", 1)
			p.edit(p.copy(e, p.Events[len(p.Events)-1], 0), "tag=bob1-4", "tag=bob2-4")
		}},
		{"a provisional after the final", "one-final", func(p *tape) {
			e := p.find(2, "603 INVITE", "alice", 1)
			p.edit(p.copy(e, e, 0), "603 Decline", "180 Ringing")
		}},
		{"an INVITE without final response", "final-in-time", func(p *tape) { p.remove(p.find(3, "487 INVITE", "alice", 1)) }},
		{"a MESSAGE answered after 33 s", "final-in-time", func(p *tape) {
			e := p.find(4, "200 MESSAGE", "alice", 1)
			p.copy(e, p.Events[len(p.Events)-1], 33*time.Second)
			p.remove(e)
		}},
		{"a 408 to a MESSAGE", "rfc4320", func(p *tape) {
			p.edit(p.find(4, "200 MESSAGE", "alice", 1), "200 OK", "408 Request Timeout")
		}},
		{"a 100 to a MESSAGE at once", "rfc4320", func(p *tape) {
			e := p.find(4, "200 MESSAGE", "alice", 1)
			p.edit(p.copy(e, p.find(4, "MESSAGE", "bob1", 1), 0), "200 OK", "100 Trying")
		}},
		{"a 183 to a MESSAGE", "rfc4320", func(p *tape) {
			e := p.find(4, "200 MESSAGE", "alice", 1)
			p.edit(p.copy(e, p.find(4, "MESSAGE", "bob1", 1), 0), "200 OK", "183 Session Progress")
		}},
		{"an INVITE again after a 180", "resend", func(p *tape) {
			p.copy(p.find(1, "INVITE", "bob1", 1), p.find(1, "<180 INVITE", "bob1", 1), time.Millisecond)
		}},
		{"a copy over TCP", "resend", func(p *tape) {
			e := p.find(4, "MESSAGE", "bob1", 1)
			p.copy(e, e, 500*time.Millisecond).Hop.Protocol = flow.TCP
		}},
		{"a refusal without ACK", "acked", func(p *tape) { p.remove(p.find(2, "ACK", "bob1", 1)) }},
		{"a copy of a refusal without ACK", "acked", func(p *tape) {
			e := p.find(2, "<486 INVITE", "bob1", 1)
			p.copy(e, p.find(2, "ACK", "bob1", 1), 500*time.Millisecond)
		}},
		{"an ACK that is late", "acked", func(p *tape) {
			e := p.find(2, "ACK", "bob1", 1)
			p.copy(e, e, time.Second)
			p.remove(e)
		}},
		{"an ACK with another Request-URI", "hop-by-hop", func(p *tape) { p.edit(p.find(2, "ACK", "bob1", 1), "ACK sip:bob@", "ACK sip:bobby@") }},
		{"an ACK with the To of nobody", "hop-by-hop", func(p *tape) { p.edit(p.find(2, "ACK", "bob1", 1), "tag=bob1-2", "tag=x") }},
		{"a CANCEL to another place", "hop-by-hop", func(p *tape) {
			p.find(1, "CANCEL", "bob1", 1).Hop.Remote = netip.MustParseAddrPort("127.0.0.1:5072")
		}},
		{"a CANCEL with a body", "hop-by-hop", func(p *tape) {
			p.edit(p.find(1, "CANCEL", "bob1", 1), "Content-Length: 0\r\n\r\n", "Content-Length: 2\r\n\r\nhi")
		}},
		{"a CANCEL with Require", "hop-by-hop", func(p *tape) { p.edit(p.find(1, "CANCEL", "bob1", 1), "CSeq:", "Require: x\r\nCSeq:") }},
		{"a CANCEL with a To tag", "hop-by-hop", func(p *tape) {
			p.edit(p.find(1, "CANCEL", "bob1", 1), "example.org>\r\nCall", "example.org>;tag=x\r\nCall")
		}},
		{"a loser that rings on after a 2xx", "cancelled", func(p *tape) { p.remove(p.find(1, "CANCEL", "bob1", 1)) }},
		{"a loser that is cancelled late", "cancelled", func(p *tape) {
			e := p.find(1, "CANCEL", "bob1", 1)
			p.copy(e, e, time.Second)
			p.remove(e)
			for _, x := range []*Event{p.find(1, "<200 CANCEL", "bob1", 1), p.find(1, "<487 INVITE", "bob1", 1), p.find(1, "ACK", "bob1", 1)} {
				x.At = x.At.Add(time.Second)
			}
		}},
		{"a loser that rings on after a 6xx", "cancelled", func(p *tape) { p.remove(p.find(5, "CANCEL", "bob1", 1)) }},
		{"a CANCEL that is not passed on", "cancelled", func(p *tape) { p.remove(p.find(3, "CANCEL", "bob2", 1)) }},
		{"a CANCEL before any provisional", "early-cancel", func(p *tape) { p.remove(p.find(1, "<180 INVITE", "bob1", 1)) }},
		{"a CANCEL after the final", "early-cancel", func(p *tape) {
			e := p.find(1, "CANCEL", "bob1", 1)
			p.copy(e, p.find(1, "ACK", "bob1", 1), 0)
			p.remove(e)
		}},
	} {
		broken[c.rule] = true
		t.Run(c.name, func(t *testing.T) {
			p := &tape{t, Run(t, calls, newForker)}
			p.End = p.End.Add(time.Hour)
			c.spoil(p)
			bad := Audit(p.Trace, Rules{})
			if !slices.ContainsFunc(bad, func(v Violation) bool { return v.Rule == c.rule }) {
				t.Errorf("the audit found\n%swant a violation of %q in\n%s", describe(bad), c.rule, p)
			}
			if again := Audit(p.Trace, Rules{Waive: []string{c.rule}}); slices.ContainsFunc(again, func(v Violation) bool { return v.Rule == c.rule }) {
				t.Errorf("%q was waived and is reported", c.rule)
			}
		})
	}
	for _, r := range auditRules {
		if !broken[r.name] {
			t.Errorf("no case breaks the rule %q", r.name)
		}
	}
}

func TestACorrectTracePasses(t *testing.T) {
	p := Run(t, calls, newForker)
	p.End = p.End.Add(time.Hour)
	if bad := Audit(p, Rules{}); len(bad) > 0 {
		t.Errorf("the audit found\n%s", describe(bad))
	}
}

func TestConfiguredEditsAreAllowed(t *testing.T) {
	p := &tape{t, Run(t, calls, newForker)}
	p.edit(p.find(1, "INVITE", "bob1", 1), "Subject: one", "Subject: uno\r\nX-Proxy: me")
	p.edit(p.find(4, "MESSAGE", "bob1", 1), "hello", "jello")
	if bad := Audit(p.Trace, Rules{Edits: []string{"Subject", "X-Proxy", "body"}}); len(bad) > 0 {
		t.Errorf("the audit found\n%s", describe(bad))
	}
}
