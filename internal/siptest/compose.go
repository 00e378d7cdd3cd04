package siptest

import (
	"strconv"
	"strings"
)

// draft is a message being written.
type draft struct {
	start string
	rows  []row
	body  string
}

type row struct{ name, value string }

func (d *draft) add(name, value string) { d.rows = append(d.rows, row{name, value}) }

// set replaces all lines of a header field by one, or adds it.
func (d *draft) set(name, value string) {
	kept, done := d.rows[:0], false
	for _, r := range d.rows {
		if keyOf(r.name) != keyOf(name) {
			kept = append(kept, r)
		} else if !done {
			kept, done = append(kept, row{name, value}), true
		}
	}
	if d.rows = kept; !done {
		d.add(name, value)
	}
}

func (d *draft) remove(name string) {
	kept := d.rows[:0]
	for _, r := range d.rows {
		if keyOf(r.name) != keyOf(name) {
			kept = append(kept, r)
		}
	}
	d.rows = kept
}

func (d *draft) has(name string) bool {
	for _, r := range d.rows {
		if keyOf(r.name) == keyOf(name) {
			return true
		}
	}
	return false
}

// copyAll adds all values of a header field of m, one a line.
func (d *draft) copyAll(m *Message, name string) {
	for _, value := range m.All(name) {
		d.add(name, value)
	}
}

// wire writes the message. Content-Length comes last unless it was set by hand.
func (d *draft) wire(length bool) []byte {
	var b strings.Builder
	b.WriteString(d.start + "\r\n")
	for _, r := range d.rows {
		b.WriteString(r.name + ": " + r.value + "\r\n")
	}
	if length && !d.has("Content-Length") {
		b.WriteString("Content-Length: " + strconv.Itoa(len(d.body)) + "\r\n")
	}
	b.WriteString("\r\n" + d.body)
	return []byte(b.String())
}

// response begins the answer to a request as RFC 3261 §8.2.6.2 says; tag goes
// into a To that has none, and not into a 100.
func response(req *Message, status int, reason, tag string) *draft {
	if reason == "" {
		reason = phrases[status]
	}
	d := &draft{start: "SIP/2.0 " + strconv.Itoa(status) + " " + reason}
	d.copyAll(req, "Via")
	if status > 100 && status < 300 {
		d.copyAll(req, "Record-Route")
	}
	d.add("From", req.Get("From"))
	to := req.Get("To")
	if status > 100 && tag != "" && req.Tag("To") == "" {
		to += ";tag=" + tag
	}
	d.add("To", to)
	d.add("Call-ID", req.CallID())
	d.add("CSeq", req.Get("CSeq"))
	return d
}

// hopByHop begins the ACK of a non-2xx (RFC 3261 §17.1.1.3) or the CANCEL (§9.1)
// of an INVITE as it was sent.
func hopByHop(method string, invite *Message, to string) *draft {
	number, _ := invite.CSeq()
	d := &draft{start: method + " " + invite.URI + " SIP/2.0"}
	d.add("Via", invite.TopVia().Text)
	d.add("Max-Forwards", "70")
	d.copyAll(invite, "Route")
	d.add("From", invite.Get("From"))
	d.add("To", to)
	d.add("Call-ID", invite.CallID())
	d.add("CSeq", strconv.Itoa(number)+" "+method)
	return d
}

// phrases are the reason phrases of RFC 3261 §21 that ladders use.
var phrases = map[int]string{
	100: "Trying", 180: "Ringing", 181: "Call Is Being Forwarded", 182: "Queued", 183: "Session Progress", 199: "Early Dialog Terminated",
	200: "OK", 202: "Accepted", 300: "Multiple Choices", 301: "Moved Permanently", 302: "Moved Temporarily", 305: "Use Proxy",
	380: "Alternative Service", 400: "Bad Request", 401: "Unauthorized", 402: "Payment Required", 403: "Forbidden", 404: "Not Found",
	405: "Method Not Allowed", 406: "Not Acceptable", 407: "Proxy Authentication Required", 408: "Request Timeout", 410: "Gone",
	413: "Request Entity Too Large", 415: "Unsupported Media Type", 416: "Unsupported URI Scheme", 420: "Bad Extension",
	421: "Extension Required", 422: "Session Interval Too Small", 423: "Interval Too Brief", 430: "Flow Failed",
	440: "Max-Breadth Exceeded", 480: "Temporarily Unavailable", 481: "Call/Transaction Does Not Exist", 482: "Loop Detected",
	483: "Too Many Hops", 484: "Address Incomplete", 485: "Ambiguous", 486: "Busy Here", 487: "Request Terminated",
	488: "Not Acceptable Here", 489: "Bad Event", 491: "Request Pending", 493: "Undecipherable", 500: "Server Internal Error",
	501: "Not Implemented", 502: "Bad Gateway", 503: "Service Unavailable", 504: "Server Time-out", 505: "Version Not Supported",
	513: "Message Too Large", 600: "Busy Everywhere", 603: "Decline", 604: "Does Not Exist Anywhere", 606: "Not Acceptable",
}
