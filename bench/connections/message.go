package main

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// message is what was read of one.
type message struct {
	start string
	lines []string // header fields, as they came
}

// next reads a message from a stream. Empty lines between messages are keepalives.
func next(r *bufio.Reader) (m message, err error) {
	for m.start == "" {
		if m.start, err = line(r); err != nil {
			return m, err
		}
	}
	length := 0
	for {
		l, err := line(r)
		if err != nil {
			return m, err
		}
		if l == "" {
			break
		}
		m.lines = append(m.lines, l)
		if name, value, _ := strings.Cut(l, ":"); strings.EqualFold(strings.TrimSpace(name), "Content-Length") {
			if length, err = strconv.Atoi(strings.TrimSpace(value)); err != nil {
				return m, err
			}
		}
	}
	_, err = io.CopyN(io.Discard, r, int64(length))
	return m, err
}

func line(r *bufio.Reader) (string, error) {
	s, err := r.ReadString('\n')
	return strings.TrimRight(s, "\r\n"), err
}

// all are the lines of a header field.
func (m *message) all(name string) (list []string) {
	for _, l := range m.lines {
		if n, _, _ := strings.Cut(l, ":"); strings.EqualFold(strings.TrimSpace(n), name) {
			list = append(list, l)
		}
	}
	return list
}

// get is the value of the first of them.
func (m *message) get(name string) string {
	for _, l := range m.all(name) {
		_, value, _ := strings.Cut(l, ":")
		return strings.TrimSpace(value)
	}
	return ""
}

// status is that of a response, 0 of a request.
func (m *message) status() int {
	code, ok := strings.CutPrefix(m.start, "SIP/2.0 ")
	if !ok || len(code) < 3 {
		return 0
	}
	n, _ := strconv.Atoi(code[:3])
	return n
}

// method is that of a request, or of what a response answers.
func (m *message) method() string {
	_, method, _ := strings.Cut(m.get("CSeq"), " ")
	return method
}

// answer is a response to a request.
func (m *message) answer(status, contact string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "SIP/2.0 %s\r\n", status)
	for _, name := range []string{"Via", "Record-Route", "From", "To", "Call-ID", "CSeq"} {
		for _, l := range m.all(name) {
			b.WriteString(l)
			if name == "To" && !strings.Contains(l, ";tag=") {
				b.WriteString(";tag=callee")
			}
			b.WriteString("\r\n")
		}
	}
	fmt.Fprintf(&b, "Contact: <%s>\r\nContent-Length: 0\r\n\r\n", contact)
	return b.String()
}

// routes are the Route lines of a caller: the values of Record-Route in reverse order
// (RFC 3261 §12.1.2).
func (m *message) routes() string {
	var values []string
	for _, l := range m.all("Record-Route") {
		_, list, _ := strings.Cut(l, ":")
		for v := range strings.SplitSeq(list, ",") {
			values = append(values, strings.TrimSpace(v))
		}
	}
	var b strings.Builder
	for i := len(values) - 1; i >= 0; i-- {
		fmt.Fprintf(&b, "Route: %s\r\n", values[i])
	}
	return b.String()
}
