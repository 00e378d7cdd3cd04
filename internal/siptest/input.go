package siptest

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// choices are the words of an input that choose what is made.
type choices struct {
	again, isNew, reliable bool
	of, cseq               string
	nth                    int
}

func readChoices(words []word) (c choices, err error) {
	for _, w := range words {
		switch w.key {
		case "again":
			c.again = true
		case "new":
			c.isNew = true
		case "reliable":
			c.reliable = true
		case "of":
			c.of = w.value
		case "cseq":
			c.cseq = w.value
		case "nth":
			c.nth, err = strconv.Atoi(w.value)
		}
	}
	return c, err
}

// compose makes the bytes of an input line and keeps them in the actor's memory.
func (r *runner) compose(ln *line, a *Actor, l *leg) ([]byte, error) {
	switch ln.what {
	case "raw":
		return []byte(r.fill(ln.block, l)), nil
	case "file":
		if len(ln.words) == 0 {
			return nil, fmt.Errorf("file of what name?")
		}
		return os.ReadFile(filepath.Join(r.dir, ln.words[0].text))
	}
	c, err := readChoices(ln.words)
	if err != nil {
		return nil, err
	}
	if status, err := strconv.Atoi(ln.what); err == nil {
		return r.composeResponse(ln, a, l, status, c)
	}
	return r.composeRequest(ln, a, l, c)
}

// fill replaces ${via} by the Via lines of the last request that the leg received,
// for raw responses.
func (r *runner) fill(block string, l *leg) string {
	s := l.toAnswer("", 0)
	if s == nil {
		return block
	}
	var vias []string
	for _, v := range s.msg.Vias() {
		vias = append(vias, "Via: "+v.Text)
	}
	return strings.ReplaceAll(block, "${via}", strings.Join(vias, "\r\n"))
}

func (r *runner) composeRequest(ln *line, a *Actor, l *leg, c choices) ([]byte, error) {
	if c.again {
		m := l.lastSent(ln.what)
		if m == nil {
			return nil, fmt.Errorf("%s has sent no %s before", a.Name, ln.what)
		}
		return []byte(m.Wire), nil
	}
	if c.isNew {
		a.legs[l.number] = nil
		delete(a.legs, l.number)
		l = a.leg(l.number)
		l.callID += fmt.Sprintf("-%d", len(r.calls)+1)
	}
	r.branches++
	d, err := a.request(l, ln.what, ln.uri, c.of, fmt.Sprintf("z9hG4bK-%s-%d", a.Name, r.branches))
	if err != nil {
		return nil, err
	}
	length, err := d.apply(ln.words)
	if err != nil {
		return nil, err
	}
	wire := d.wire(length)
	m := ReadMessage(wire)
	l.callID = m.CallID()
	if n, _ := m.CSeq(); n > l.cseq {
		l.cseq = n
	}
	l.sent = append(l.sent, m)
	return wire, nil
}

func (r *runner) composeResponse(ln *line, a *Actor, l *leg, status int, c choices) ([]byte, error) {
	if c.again {
		for i := len(l.responses) - 1; i >= 0; i-- {
			if m := l.responses[i]; m.Status == status {
				return []byte(m.Wire), nil
			}
		}
		return nil, fmt.Errorf("%s has sent no %d before", a.Name, status)
	}
	d, s, err := a.answer(l, status, c.cseq, c.nth)
	if err != nil {
		return nil, err
	}
	if c.reliable {
		d.add("Require", "100rel")
		d.add("RSeq", strconv.Itoa(len(l.responses)+1))
	}
	length, err := d.apply(ln.words)
	if err != nil {
		return nil, err
	}
	s.status = max(s.status, status)
	wire := d.wire(length)
	l.responses = append(l.responses, ReadMessage(wire))
	return wire, nil
}

// apply does to a draft what the words of an input line ask for. It returns
// whether Content-Length is to be added.
func (d *draft) apply(words []word) (length bool, err error) {
	length = true
	for _, w := range words {
		kind, name, _ := strings.Cut(w.key, ":")
		switch kind {
		case "h":
			d.set(name, w.value)
		case "add":
			d.add(name, w.value)
		case "no":
			d.remove(name)
			length = length && keyOf(name) != "content-length"
		case "body":
			d.body = strings.NewReplacer(`\r`, "\r", `\n`, "\n").Replace(w.value)
			d.set("Content-Type", "text/plain")
		case "sdp":
			d.body = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 49170 RTP/AVP 0\r\n"
			d.set("Content-Type", "application/sdp")
		case "reason":
			d.start = strings.Join(append(strings.SplitN(d.start, " ", 3)[:2], w.value), " ")
		default:
			if err := d.applyField(w); err != nil {
				return length, err
			}
		}
	}
	return length, nil
}

// applyField does the words that change one part of one header field.
func (d *draft) applyField(w word) error {
	switch w.key {
	case "branch":
		d.edit("Via", func(v string) string { return setParam(v, "branch", w.value) })
	case "via":
		d.edit("Via", func(string) string { return w.value })
	case "rport":
		d.edit("Via", func(v string) string { return v + ";rport" })
	case "to-tag":
		d.edit("To", func(v string) string { return setParam(v, "tag", w.value) })
	case "from-tag":
		d.edit("From", func(v string) string { return setParam(v, "tag", w.value) })
	case "to", "from":
		d.edit(w.key, func(v string) string {
			if _, p := splitAddress(v); p.get("tag") != "" {
				return "<" + w.value + ">;tag=" + p.get("tag")
			}
			return "<" + w.value + ">"
		})
	case "contact":
		d.set("Contact", "<"+w.value+">")
	case "cseq":
		if n, err := strconv.Atoi(w.value); err == nil {
			d.edit("CSeq", func(v string) string { return strconv.Itoa(n) + v[strings.IndexByte(v, ' '):] })
		}
	case "call-id":
		d.set("Call-ID", w.value)
	case "call", "again", "new", "reliable", "of", "nth", "source": // chosen before
	default:
		return fmt.Errorf("unknown word %q", w.text)
	}
	return nil
}

// edit changes the first line of a header field.
func (d *draft) edit(name string, change func(string) string) {
	for i := range d.rows {
		if keyOf(d.rows[i].name) == keyOf(name) {
			d.rows[i].value = change(d.rows[i].value)
			return
		}
	}
}

// setParam replaces or adds a parameter at the end of a header value; an empty
// value removes it.
func setParam(value, name, to string) string {
	if i := strings.Index(value, ";"+name+"="); i >= 0 {
		end := strings.IndexByte(value[i+1:], ';')
		if end < 0 {
			value = value[:i]
		} else {
			value = value[:i] + value[i+1+end:]
		}
	}
	if to == "" {
		return value
	}
	return value + ";" + name + "=" + to
}
