package registrar_test

import (
	"flag"
	"fmt"
	"net/netip"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"viaduct/internal/clock"
	"viaduct/internal/flow"
	"viaduct/internal/location"
	"viaduct/internal/registrar"
	"viaduct/sip"
)

var update = flag.Bool("update", false, "write what was seen into the stories")

// domains are those that the desk serves.
type domains []string

func (d domains) Contains(host []byte) bool {
	for _, name := range d {
		if strings.EqualFold(name, string(host)) {
			return true
		}
	}
	return false
}

var served = domains{"example.com", "example.org", "198.51.100.1"}

// desk is a registrar with its directory, and a client that sends to it.
type desk struct {
	t     testing.TB
	r     registrar.Registrar
	d     *location.Directory
	s     registrar.Settings
	now   clock.Instant
	from  flow.Flow
	found location.Found

	domains registrar.Domains
	last    int // status of the last step
}

func newDesk(t testing.TB) *desk {
	t.Helper()
	d := &desk{t: t, d: location.New(location.Config{}, nil), now: clock.Instant(100 * time.Second), domains: served}
	d.s.Prepare()
	keys, err := registrar.NewKeys([]byte("a secret of the tests"))
	if err != nil {
		t.Fatal(err)
	}
	d.r.Use(keys)
	d.from = flowOf("udp", "192.0.2.10:5060", 0)
	return d
}

func flowOf(protocol, remote string, conn uint32) flow.Flow {
	return flow.Flow{
		Protocol: flow.ParseProtocol([]byte(protocol)), Conn: conn,
		Local: netip.MustParseAddrPort("198.51.100.1:5060"), Remote: netip.MustParseAddrPort(remote),
	}
}

// compose makes a REGISTER of the header lines given; what is missing is filled in.
func compose(start string, lines ...string) []byte {
	has := func(name string) bool {
		for _, l := range lines {
			if at := strings.IndexByte(l, ':'); at > 0 && strings.EqualFold(strings.TrimSpace(l[:at]), name) {
				return true
			}
		}
		return false
	}
	for _, l := range []string{
		"Via: SIP/2.0/UDP 192.0.2.10;branch=z9hG4bK1;rport", "Max-Forwards: 70", "From: <sip:bob@example.com>;tag=f",
		"To: <sip:bob@example.com>", "Call-ID: one", "CSeq: 1 REGISTER", "Content-Length: 0",
	} {
		if name, _, _ := strings.Cut(l, ":"); !has(name) {
			lines = append(lines[:len(lines):len(lines)], l)
		}
	}
	if start == "" {
		start = "REGISTER sip:example.com SIP/2.0"
	}
	return []byte(start + "\r\n" + strings.Join(lines, "\r\n") + "\r\n\r\n")
}

// answer is what became of a REGISTER.
type answer struct {
	status  int
	reason  string
	headers string
}

// send plays one REGISTER.
func (d *desk) send(start string, lines ...string) answer {
	d.t.Helper()
	return d.wire(compose(start, lines...))
}

func (d *desk) wire(wire []byte) answer {
	d.t.Helper()
	var m sip.Message
	if err := m.Parse(wire); err != nil {
		d.t.Fatalf("%v in\n%s", err, wire)
	}
	if err := m.Check(); err != nil {
		d.t.Fatalf("%v in\n%s", err, wire)
	}
	lines := d.step(&m, nil)
	if d.last == 200 {
		return answer{200, "OK", string(lines)}
	}
	f := d.r.Refusal()
	reason := f.Reason
	if reason == "" {
		reason = sip.StatusText(f.Status)
	}
	return answer{f.Status, reason, string(f.Headers)}
}

// bindings are those of an AOR as lookups see them.
func (d *desk) bindings(aor string) []location.Binding {
	d.d.Lookup(d.now, []byte(aor), &d.found)
	return d.found.Bindings
}

// What differs from run to run in an answer: the date, and GRUUs that hold one.
var (
	dateLine  = regexp.MustCompile(`(?m)^Date: (Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z][a-z] \d{4} \d\d:\d\d:\d\d GMT\r\n`)
	temporary = regexp.MustCompile(`tgruu\.[A-Za-z0-9_-]{108}@`)
)

// show is an answer as a story shows it.
func (a answer) show() string {
	var b strings.Builder
	fmt.Fprintf(&b, "< %d %s\n", a.status, a.reason)
	lines := temporary.ReplaceAllString(dateLine.ReplaceAllString(a.headers, ""), "tgruu.…@")
	lines = strings.Replace(lines, "Supported: path, outbound\r\n", "", 1)
	for l := range strings.SplitSeq(strings.TrimSuffix(lines, "\r\n"), "\r\n") {
		if l != "" {
			fmt.Fprintf(&b, "< %s\n", l)
		}
	}
	return b.String()
}

// play runs a story of testdata against a fresh desk: lines beginning with ">" are a
// REGISTER (its start line may be left out), those with "<" what is answered.
// "+90s" lets time pass, "from" names the client's flow, "set" a setting, "show"
// the bindings of an AOR as they are kept. What is written by hand stays.
func play(t *testing.T, name string) {
	t.Helper()
	path := "testdata/" + name + ".story"
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	d := newDesk(t)
	var out strings.Builder
	var start string
	var request []string
	flush := func() {
		if request != nil {
			out.WriteString(d.send(start, request...).show())
		}
		start, request = "", nil
	}
	for line := range strings.SplitSeq(strings.TrimSuffix(string(text), "\n"), "\n") {
		if strings.HasPrefix(line, "<") || strings.HasPrefix(line, "  ") {
			continue // comes anew
		}
		if l, ok := strings.CutPrefix(line, "> "); ok {
			if strings.HasPrefix(l, "REGISTER ") {
				flush()
				start = l + " SIP/2.0"
				request = []string{}
			} else {
				request = append(request, l)
			}
			out.WriteString(line + "\n")
			continue
		}
		flush()
		out.WriteString(line + "\n")
		d.direct(line, &out)
	}
	flush()
	if *update {
		if err := os.WriteFile(path, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if got := out.String(); got != string(text) {
		t.Errorf("%s differs; got\n%s", path, diff(string(text), got))
	}
}

// diff shows from the first line that differs on.
func diff(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range g {
		if i >= len(w) || w[i] != g[i] {
			return fmt.Sprintf("line %d:\n%s", i+1, strings.Join(g[i:], "\n"))
		}
	}
	return "less"
}

// direct carries out a line that is no message.
func (d *desk) direct(line string, out *strings.Builder) {
	d.t.Helper()
	word, rest, _ := strings.Cut(line, " ")
	switch {
	case line == "" || word == "#":
	case strings.HasPrefix(word, "+"):
		after, err := time.ParseDuration(word[1:])
		if err != nil {
			d.t.Fatal(err)
		}
		d.now = d.now.Add(after)
	case word == "from":
		f := strings.Fields(rest)
		conn := 0
		if len(f) > 2 {
			conn, _ = strconv.Atoi(f[2])
		}
		d.from = flowOf(f[0], f[1], uint32(conn))
	case word == "show":
		for _, b := range d.bindings(rest) {
			fmt.Fprintf(out, "  %s\n", showBinding(&b))
		}
	case word == "gone":
		f := strings.Fields(rest)
		conn, _ := strconv.Atoi(f[2])
		d.d.RemoveFlow(d.now, flowOf(f[0], f[1], uint32(conn)))
	case word == "set":
		d.set(rest)
	default:
		d.t.Fatalf("what is %q?", line)
	}
}

func (d *desk) set(line string) {
	d.t.Helper()
	name, value, _ := strings.Cut(line, " ")
	duration := func() time.Duration { v, _ := time.ParseDuration(value); return v }
	switch name {
	case "max_contacts":
		d.s.MaxContacts, _ = strconv.Atoi(value)
	case "min":
		d.s.MinExpires = duration()
	case "max":
		d.s.MaxExpires = duration()
	case "default":
		d.s.Expires = duration()
	case "flow_timer":
		d.s.FlowTimer = duration()
	case "any_path":
		d.s.AnyPath = value == "true"
	case "gruu":
		d.s.NoGRUU = value == "false"
	case "service_route":
		d.s.ServiceRoute = value
	case "on_disconnect":
		d.s.OnDisconnect = map[string]registrar.OnDisconnect{"keep": registrar.Keep, "remove": registrar.Remove}[value]
	case "keepalive":
		d.s.Keepalive = map[string]registrar.Keepalive{"crlf": registrar.KeepaliveCRLF, "options": registrar.KeepaliveOptions, "none": registrar.KeepaliveNone}[value]
	default:
		d.t.Fatalf("what is the setting %q?", name)
	}
}

// showBinding is what is kept of a binding, as far as a caller would notice.
func showBinding(b *location.Binding) string {
	var s strings.Builder
	fmt.Fprintf(&s, "%s q=%d", b.Contact, b.Q)
	if len(b.Instance) > 0 {
		fmt.Fprintf(&s, " instance=%s", b.Instance)
	}
	if b.RegID > 0 {
		fmt.Fprintf(&s, " reg-id=%d", b.RegID)
	}
	if len(b.Path) > 0 {
		fmt.Fprintf(&s, " path=%s", b.Path)
	}
	if b.Flow.Remote.IsValid() {
		fmt.Fprintf(&s, " flow=%v", b.Flow)
	}
	for _, f := range []struct {
		flag location.Flags
		name string
	}{{location.NAT, "nat"}, {location.Outbound, "outbound"}, {location.Keepalive, "keepalive"}, {location.ByOptions, "by-options"}} {
		if b.Flags&f.flag != 0 {
			s.WriteString(" " + f.name)
		}
	}
	return s.String()
}

// step is what a proxy does with a REGISTER, and nothing else.
func (d *desk) step(m *sip.Message, out []byte) []byte {
	d.last = 200
	switch d.r.Begin(m, d.from, &d.s, d.domains) {
	case registrar.Refused:
		d.last = d.r.Refusal().Status
		return out
	case registrar.Change:
		if d.r.Commit(d.now, &d.s, d.d, 1) == location.Refused {
			d.last = d.r.Refusal().Status
			return out
		}
	}
	d.d.Lookup(d.now, d.r.AOR(), &d.found)
	return d.r.AppendOK(out, d.now, &d.s, d.found.Bindings)
}
