package transaction

import (
	"bytes"

	"viaduct/internal/clock"
	"viaduct/internal/effect"
	"viaduct/sip"
)

// Response feeds a response whose top Via carries branch b (ParseBranch) and our
// sent-by. ACKs to 300-699 and owed CANCELs go out here. The verdict is PassUp,
// Absorbed, or Stray with no client: RFC 6026 §7.2 has strays dropped.
func (t *Table) Response(now clock.Instant, m *sip.Message, b *Branch, fx *effect.List) (*Client, Verdict) {
	c := t.Client(b.Handle)
	seq, err := m.Sequence()
	if c == nil || err != nil || c.state == idle || !b.proves(&c.Branch) {
		t.strays++
		return nil, Stray
	}
	// RFC 3261 §17.1.3: CANCEL shares the branch of its INVITE; CSeq tells.
	if seq.Method == sip.CANCEL && c.Cancelled() {
		t.runCancel(now, c, responseEvent(m.Status()), nil, fx)
		return c, Absorbed
	}
	if seq.Method != c.Method {
		t.strays++
		return nil, Stray
	}
	return c, t.respondTo(now, c, m, fx)
}

// respondTo feeds a response to its client.
func (t *Table) respondTo(now clock.Instant, c *Client, m *sip.Message, fx *effect.List) Verdict {
	e := responseEvent(m.Status())
	first := e != ev1xx && !c.Done()
	if d := t.runClient(now, c, e, nil, m, fx); d&doPassUp == 0 {
		t.kinds[c.kind()].Absorbed++
		return Absorbed
	}
	c.First = first
	c.provisional = c.provisional || e == ev1xx
	return PassUp
}

// room is what an ACK or a CANCEL may need beyond the request's bytes: the To tag
// and the other method name.
const room = 512

// shrink drops the body of the kept INVITE: ACK and CANCEL need the header part
// only, and it is not sent again once a 1xx has come (RFC 3261 §17.1.1.2).
func (t *Table) shrink(c *Client) {
	if head := bytes.Index(c.kept, emptyLine) + len(emptyLine); head >= len(emptyLine) {
		kept := c.kept
		c.kept = t.bytes.Copy(kept[:head])
		t.bytes.Give(kept)
	}
}

var emptyLine = []byte("\r\n\r\n")

// request parses what is kept of the request. The bytes are ours and were parsed
// when they came in; the only fault can be the body that shrink took.
func (t *Table) request(c *Client) *sip.Message {
	_ = t.scratch.ParseSent(c.kept)
	return &t.scratch
}

// acknowledge answers a 300-699 with its ACK (RFC 3261 §17.1.1.3) and keeps that
// for repeated final responses. On reliable transports none is repeated.
func (t *Table) acknowledge(c *Client, m *sip.Message, fx *effect.List) {
	var to []byte
	if v, ok := m.First(sip.To); ok {
		to = v.Text
	}
	ack := fx.Commit(sip.AppendAck(fx.Begin(len(c.kept)+len(to)+room), t.request(c), to))
	fx.Send(c.Hop, ack, c.Handle())
	if c.reliable() {
		ack = nil
	}
	t.keep(c, ack)
}
