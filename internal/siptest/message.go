package siptest

import (
	"net/netip"
	"strconv"
	"strings"
)

// Message is a SIP message read line by line. The reader here is slow, plain and
// shares no code with package sip, so that a mistake there is seen here.
type Message struct {
	Wire   string // the bytes as they were on the wire
	Method string // of a request
	URI    string // Request-URI
	Status int    // of a response, 0 for a request
	Reason string
	Lines  []Line
	Body   string
	Faults []string // what is not well-formed, in words

	vias   []ViaValue // as Vias has read them
	number int        // of CSeq, -1 when bad
	method string     // of CSeq
}

// Line is one header line.
type Line struct {
	Name  string // as written
	Key   string // long name in lower case
	Value string // unfolded, without white space around it
	Raw   string // the whole line as written, folds included, without the last CRLF
}

// compact maps the one-letter forms to long names (RFC 3261 §7.3.3).
var compact = map[string]string{
	"v": "via", "f": "from", "t": "to", "i": "call-id", "m": "contact", "l": "content-length",
	"c": "content-type", "e": "content-encoding", "k": "supported", "s": "subject", "o": "event",
	"u": "allow-events", "r": "refer-to", "b": "referred-by", "x": "session-expires", "j": "reject-contact",
	"a": "accept-contact", "d": "request-disposition", "y": "identity",
}

// lists are the header fields whose lines are split at commas.
var lists = map[string]bool{
	"via": true, "route": true, "record-route": true, "contact": true, "path": true, "service-route": true,
	"require": true, "proxy-require": true, "supported": true, "unsupported": true, "allow": true,
}

func keyOf(name string) string {
	key := strings.ToLower(strings.TrimRight(name, " \t"))
	if long, ok := compact[key]; ok {
		return long
	}
	return key
}

// ReadMessage reads wire as one datagram. It always returns a Message; what is
// wrong with it is in Faults.
func ReadMessage(wire []byte) *Message {
	m := &Message{Wire: string(wire)}
	text := strings.TrimLeft(m.Wire, "\r\n")
	head, body, found := strings.Cut(text, "\r\n\r\n")
	if !found {
		m.fault("no empty line after the header fields")
	}
	start, rest, _ := strings.Cut(head, "\r\n")
	m.readStart(start)
	m.readLines(rest)
	m.readBody(body)
	m.readCSeq()
	return m
}

func (m *Message) fault(what string) { m.Faults = append(m.Faults, what) }

func (m *Message) readStart(start string) {
	if after, ok := strings.CutPrefix(start, "SIP/2.0 "); ok {
		code, reason, _ := strings.Cut(after, " ")
		m.Reason = reason
		n, err := strconv.Atoi(code)
		if err != nil || n < 100 || n > 699 {
			m.fault("bad status line")
			return
		}
		m.Status = n
		return
	}
	words := strings.Split(start, " ")
	if len(words) != 3 || words[2] != "SIP/2.0" || words[0] == "" || words[1] == "" {
		m.fault("bad start line")
	}
	m.Method = words[0]
	if len(words) > 1 {
		m.URI = words[1]
	}
}

func (m *Message) readLines(text string) {
	if text == "" {
		return
	}
	for _, row := range strings.Split(text, "\r\n") {
		if strings.ContainsAny(row, "\r\n") {
			m.fault("bare CR or LF in the header part")
		}
		if n := len(m.Lines); n > 0 && row != "" && (row[0] == ' ' || row[0] == '\t') {
			m.Lines[n-1].Raw += "\r\n" + row
			m.Lines[n-1].Value = strings.TrimSpace(m.Lines[n-1].Value + " " + strings.TrimSpace(row))
			continue
		}
		name, value, ok := strings.Cut(row, ":")
		if !ok {
			m.fault("header line without colon: " + row)
		}
		m.Lines = append(m.Lines, Line{Name: name, Key: keyOf(name), Value: strings.TrimSpace(value), Raw: row})
	}
}

func (m *Message) readBody(body string) {
	m.Body = body
	values := m.All("Content-Length")
	if len(values) == 0 {
		return
	}
	n, err := strconv.Atoi(values[0])
	switch {
	case err != nil || n < 0 || len(values) > 1:
		m.fault("bad Content-Length")
	case n > len(body):
		m.fault("Content-Length beyond the end")
	default:
		if n < len(body) {
			m.fault("bytes beyond Content-Length")
		}
		m.Body = body[:n]
	}
}

// IsRequest reports whether m is a request.
func (m *Message) IsRequest() bool { return m.Method != "" }

// Has reports whether a header field is present; name in any form.
func (m *Message) Has(name string) bool { return len(m.All(name)) > 0 }

// Get returns the first value of a header field, or "".
func (m *Message) Get(name string) string {
	if all := m.All(name); len(all) > 0 {
		return all[0]
	}
	return ""
}

// All returns all values of a header field in order; those of list headers are
// split at commas.
func (m *Message) All(name string) []string {
	key := keyOf(name)
	var all []string
	for i := range m.Lines {
		switch l := &m.Lines[i]; {
		case l.Key != key:
		case lists[key]:
			all = append(all, splitList(l.Value)...)
		default:
			all = append(all, l.Value)
		}
	}
	return all
}

// CallID is the Call-ID.
func (m *Message) CallID() string { return m.Get("call-id") }

// CSeq returns number and method of the CSeq; -1 when the number is bad.
func (m *Message) CSeq() (number int, method string) { return m.number, m.method }

func (m *Message) readCSeq() {
	first, method, _ := strings.Cut(m.Get("cseq"), " ")
	n, err := strconv.Atoi(first)
	if err != nil {
		n = -1
	}
	m.number, m.method = n, strings.TrimSpace(method)
}

// Tag returns the tag of From or To, or "".
func (m *Message) Tag(header string) string {
	_, params := splitAddress(m.Get(header))
	return params.get("tag")
}

// MaxForwards returns the value, or -1 when absent or bad.
func (m *Message) MaxForwards() int {
	n, err := strconv.Atoi(m.Get("max-forwards"))
	if err != nil {
		return -1
	}
	return n
}

// ViaValue is one value of Via.
type ViaValue struct {
	Text      string
	Transport string
	Host      string // brackets kept
	Port      uint16 // 0: none written
	params    params
}

// Vias returns all Via values from the top.
func (m *Message) Vias() []ViaValue {
	if m.vias == nil {
		for _, text := range m.All("via") {
			m.vias = append(m.vias, readVia(text))
		}
	}
	return m.vias
}

// TopVia returns the first Via value; the zero value when there is none.
func (m *Message) TopVia() *ViaValue {
	if vias := m.Vias(); len(vias) > 0 {
		return &vias[0]
	}
	return &ViaValue{}
}

// Branch is the branch of the top Via, or "".
func (m *Message) Branch() string { return m.TopVia().Branch() }

func readVia(text string) ViaValue {
	v := ViaValue{Text: text}
	head, rest, _ := strings.Cut(text, ";")
	if rest != "" {
		v.params = readParams(rest)
	}
	parts := strings.SplitN(head, "/", 3) // white space may stand around both slashes
	words := strings.Fields(parts[len(parts)-1])
	if len(parts) < 3 || len(words) < 2 {
		return v
	}
	v.Transport, v.Host = words[0], strings.Join(words[1:], "")
	if i := strings.LastIndexByte(v.Host, ':'); i > strings.LastIndexByte(v.Host, ']') {
		port, _ := strconv.ParseUint(v.Host[i+1:], 10, 16) // a bad port reads as none: raw input only
		v.Host, v.Port = v.Host[:i], uint16(port)
	}
	return v
}

// Branch is the branch parameter, or "".
func (v *ViaValue) Branch() string { return v.params.get("branch") }

// Param returns a parameter and whether it is there.
func (v *ViaValue) Param(name string) (string, bool) { return v.params.find(name) }

// SentBy is host and port in lower case, the port as written or 5060.
func (v *ViaValue) SentBy() string {
	port := v.Port
	if port == 0 {
		port = 5060
	}
	return strings.ToLower(v.Host) + ":" + strconv.Itoa(int(port))
}

// unstamped is the value without what §18.2.1 and RFC 3581 §4 let a server write
// into it: received, and the value of rport.
func (v *ViaValue) unstamped() string {
	var b strings.Builder
	head, _, _ := strings.Cut(v.Text, ";")
	b.WriteString(strings.Join(strings.Fields(head), " "))
	for _, p := range v.params {
		switch {
		case strings.EqualFold(p.name, "received"):
		case strings.EqualFold(p.name, "rport"):
			b.WriteString(";rport")
		default:
			b.WriteString(";" + p.text)
		}
	}
	return b.String()
}

type param struct{ name, value, text string }

type params []param

func readParams(text string) params {
	var list params
	for _, part := range splitOutside(text, ';') {
		name, value, _ := strings.Cut(part, "=")
		list = append(list, param{strings.TrimSpace(name), strings.TrimSpace(value), strings.TrimSpace(part)})
	}
	return list
}

func (list params) find(name string) (string, bool) {
	for _, p := range list {
		if strings.EqualFold(p.name, name) {
			return p.value, true
		}
	}
	return "", false
}

func (list params) get(name string) string {
	value, _ := list.find(name)
	return value
}

// splitAddress cuts a name-addr or addr-spec into its URI and header parameters.
func splitAddress(value string) (uri string, p params) {
	quoted := false
	for i := 0; i < len(value); i++ {
		switch c := value[i]; {
		case c == '\\' && quoted:
			i++
		case c == '"':
			quoted = !quoted
		case c == '<' && !quoted:
			end := strings.IndexByte(value[i:], '>')
			if end < 0 {
				return "", nil
			}
			uri, rest := value[i+1:i+end], strings.TrimSpace(value[i+end+1:])
			return uri, readParams(strings.TrimPrefix(rest, ";"))
		}
	}
	uri, rest, _ := strings.Cut(value, ";")
	return strings.TrimSpace(uri), readParams(rest)
}

// splitList cuts a header value at its commas.
func splitList(value string) []string {
	parts := splitOutside(value, ',')
	for i := range parts {
		parts[i] = strings.TrimSpace(parts[i])
	}
	return parts
}

// splitOutside cuts text at sep, but not inside quotes or angle brackets.
func splitOutside(text string, sep byte) []string {
	var parts []string
	start, quoted, angle := 0, false, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\\' && quoted:
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '<':
			angle = true
		case c == '>':
			angle = false
		case c == sep && !angle:
			parts = append(parts, text[start:i])
			start = i + 1
		}
	}
	return append(parts, text[start:])
}

// hostPort finds the address of a SIP URI's host part; ok is false for names.
func hostPort(uri string) (netip.AddrPort, bool) {
	_, rest, ok := strings.Cut(uri, ":")
	if !ok {
		return netip.AddrPort{}, false
	}
	rest = rest[strings.LastIndexByte(rest, '@')+1:]
	if i := strings.IndexAny(rest, ";?>"); i >= 0 {
		rest = rest[:i]
	}
	if ap, err := netip.ParseAddrPort(rest); err == nil {
		return ap, true
	}
	a, err := netip.ParseAddr(strings.Trim(rest, "[]"))
	return netip.AddrPortFrom(a, 5060), err == nil
}
