package identity

import (
	"strings"
	"testing"

	"viaduct/sip"
)

const head = "INVITE sip:bob@example.com SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.7;branch=z9hG4bK1\r\n" +
	"From: \"Anonymous\" <sip:anonymous@anonymous.invalid>;tag=1\r\nTo: <sip:bob@example.com>\r\n" +
	"Call-ID: 1\r\nCSeq: 1 INVITE\r\nContact: <sip:alice@192.0.2.7>\r\n" +
	"Identity: abc;info=<https://example.com/c>;alg=ES256\r\n"

const tail = "Content-Length: 0\r\n\r\n"

func parse(t testing.TB, wire string) *sip.Message {
	t.Helper()
	m := new(sip.Message)
	if err := m.Parse([]byte(wire)); err != nil {
		t.Fatalf("%v in\n%s", err, wire)
	}
	return m
}

// edit returns the lines that a policy leaves of those given, joined by '|', and
// fails when anything else changed.
func edit(t *testing.T, p Policy, f Facts, lines string) string {
	t.Helper()
	wire := head
	for l := range strings.SplitSeq(lines, "|") {
		if l != "" {
			wire += l + "\r\n"
		}
	}
	m := parse(t, wire+tail)
	var rw sip.Rewriter
	rw.Reset(m)
	f.Privacy = PrivacyOf(m)
	p.Edit(&rw, m, f)
	out := string(rw.AppendTo(nil))
	parse(t, out)
	left, ok := strings.CutPrefix(out, head)
	if !ok {
		t.Fatalf("something else was changed:\n%s", out)
	}
	left = strings.TrimSuffix(strings.Replace(left, "Content-Length: 0\r\n", "", 1), "\r\n")
	return strings.TrimSuffix(strings.ReplaceAll(left, "\r\n", "|"), "|")
}

// Proves: PV-1, PV-2, PV-3, PV-5, PV-8, PV-9, PV-10
func TestIdentityIsToldToWhomItMay(t *testing.T) {
	t.Parallel()
	var (
		stranger = Facts{}
		inside   = Facts{FromTrusted: true, ToTrusted: true}
		inward   = Facts{ToTrusted: true}
		outward  = Facts{FromTrusted: true}
		user     = Facts{ToTrusted: true, Identity: []byte("<sip:alice@example.com>")}
		userOut  = Facts{Identity: []byte("<sip:alice@example.com>")}
	)
	const (
		eve   = "P-Asserted-Identity: <sip:eve@example.com>"
		alice = "P-Asserted-Identity: <sip:alice@example.com>"
	)
	service, all, never := Policy{Service: true}, Policy{Assert: ToAll}, Policy{Assert: ToNobody}
	for _, c := range []struct {
		name         string
		policy       Policy
		facts        Facts
		before, want string
	}{
		{"a stranger's assertion goes, toward a stranger", Policy{}, stranger, eve, ""},
		{"a stranger's assertion goes, toward a friend", Policy{}, inward, eve, ""},
		{"all of a stranger's lines go", Policy{}, inward, eve + "|P-Asserted-Identity: tel:+491, <sip:x@y>", ""},
		{"even when privacy is none", Policy{}, inward, eve + "|Privacy: none", "Privacy: none"},
		{"a friend's assertion stays inside", Policy{}, inside, eve + "|Privacy: id", eve + "|Privacy: id"},
		{"a friend's assertion goes out without Privacy", Policy{}, outward, eve, eve},
		{"unless the domain withholds", Policy{Withhold: true}, outward, eve, ""},
		{"but not against the user's will", Policy{Withhold: true}, outward, eve + "|Privacy: none", eve + "|Privacy: none"},
		{"id keeps it in", Policy{}, outward, eve + "|Privacy: id", "Privacy: id"},
		{"id beside others keeps it in", Policy{}, outward, eve + "|Privacy: header; ID", "Privacy: header; ID"},
		{"all values go", Policy{}, outward, eve + "|P-Asserted-Identity: tel:+491|Privacy: id", "Privacy: id"},
		{"id on a second line counts", Policy{}, outward, eve + "|Privacy: user|Privacy: id", "Privacy: user|Privacy: id"},
		{"none and id is no none", Policy{}, outward, eve + "|Privacy: none;id", "Privacy: none;id"},
		{"privacy of other kinds is relayed", Policy{}, outward, "Privacy: header;session;user", "Privacy: header;session;user"},

		{"a preference of a stranger goes", Policy{}, inward, "P-Preferred-Identity: <sip:eve@example.com>", ""},
		{"also outward", Policy{}, stranger, "P-Preferred-Identity: <sip:eve@example.com>", ""},
		{"and that of a friend: it was for the proxy that authenticates", Policy{}, inside, "P-Preferred-Identity: <sip:a@b>", ""},
		{"outward too", Policy{}, outward, "P-Preferred-Identity: <sip:a@b>|Privacy: none", "Privacy: none"},

		{"an authenticated user is asserted", Policy{}, user, "", alice},
		{"in place of what it said itself", Policy{}, user, eve, alice},
		{"in place of two lines", Policy{}, user, eve + "|Privacy: id|" + eve, "Privacy: id|" + alice},
		{"and of what it would prefer", Policy{}, user, "P-Preferred-Identity: <sip:eve@example.com>", alice},
		{"not where it is not wanted", never, user, eve, ""},
		{"not to a stranger", Policy{}, userOut, "", ""},
		{"not to one who may not know", all, userOut, "Privacy: id", "Privacy: id"},
		{"but to one who may, where it is wanted", all, userOut, "", alice},
		{"and to a friend then, too", all, user, "", alice},
		{"a friend's word is kept before ours", Policy{}, Facts{FromTrusted: true, ToTrusted: true, Identity: []byte("<sip:x@y>")}, eve, eve},
		{"nobody is asserted whom nobody authenticated", all, inward, "", ""},

		{"one sip and one tel URI are kept", Policy{}, inside, eve + ", <tel:+491>|P-Asserted-Identity: <sips:b@c>, tel:+492, http://x.y/", eve + ", <tel:+491>"},

		{"a service crosses off what it did", service, outward, eve + "|Privacy: id;user", "Privacy: user"},
		{"and the header with the last", service, outward, eve + "|Privacy: id;critical|Proxy-Require: privacy", ""},
		{"and only its own demand", service, outward, "Privacy: id|Proxy-Require: a, Privacy, b", "Proxy-Require: a, b"},
		{"inside nothing is done, so nothing is crossed off", service, inside, eve + "|Privacy: id", eve + "|Privacy: id"},
		{"none is left alone", service, outward, eve + "|Privacy: none", eve + "|Privacy: none"},
	} {
		if got := edit(t, c.policy, c.facts, c.before); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

// Proves: PV-8
func TestNothingIsAssertedInRequestsThatNameNoOriginator(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"ACK", "REGISTER", "CANCEL"} {
		m := parse(t, strings.ReplaceAll(head, "INVITE", method)+tail)
		var rw sip.Rewriter
		rw.Reset(m)
		var p Policy
		p.Edit(&rw, m, Facts{ToTrusted: true, Identity: []byte("<sip:alice@example.com>")})
		if got := string(rw.AppendTo(nil)); got != string(m.Wire()) {
			t.Errorf("%s: got\n%s", method, got)
		}
	}
}

// Proves: PV-1
func TestResponsesAreTreatedAlike(t *testing.T) {
	t.Parallel()
	const wire = "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 192.0.2.7;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\n" +
		"To: <sip:bob@example.com>;tag=2\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\n"
	m := parse(t, wire+"P-Asserted-Identity: <sip:eve@example.com>\r\n"+tail)
	var rw sip.Rewriter
	rw.Reset(m)
	var p Policy
	p.Edit(&rw, m, Facts{ToTrusted: true})
	if got := string(rw.AppendTo(nil)); got != wire+tail {
		t.Errorf("got\n%s", got)
	}
}

// Proves: PV-4
func TestCriticalPrivacyIsServedOrRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		service bool
		privacy string
		want    int
		reason  string
	}{
		{false, "critical;header", 0, ""},
		{true, "header", 0, ""},
		{true, "id;critical", 0, ""},
		{true, "none", 0, ""},
		{true, "critical;header;user", 500, "Privacy Failure: header, user Not Supported"},
		{true, "history;critical", 500, "Privacy Failure: an unknown priv-value Not Supported"},
	} {
		p := Policy{Service: c.service}
		status, reason := p.Refuse(parse(t, head+"Privacy: "+c.privacy+"\r\n"+tail))
		if status != c.want || reason != c.reason {
			t.Errorf("service %v, %q: got %d %q, want %d %q", c.service, c.privacy, status, reason, c.want, c.reason)
		}
	}
}

func TestTheIdentityOfAUserIsAURI(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		user, domain, want string
		ok                 bool
	}{
		{"alice", "example.com", "<sip:alice@example.com>", true},
		{"alice@example.net", "example.com", "<sip:alice@example.net>", true},
		{"+49301", "[2001:db8::1]", "<sip:+49301@[2001:db8::1]>", true},
		{"jürgen <x>", "example.com", "<sip:j%C3%BCrgen%20%3Cx%3E@example.com>", true},
		{"a\r\nb", "example.com", "<sip:a%0D%0Ab@example.com>", true},
		{"", "example.com", "", false},
		{"alice@x>;y", "example.com", "", false},
		{"alice@x;y", "example.com", "", false},
		{"alice", "", "", false},
	} {
		got, ok := AppendURI(nil, []byte(c.user), []byte(c.domain))
		if string(got) != c.want || ok != c.ok {
			t.Errorf("%q at %q: got %q, %v; want %q, %v", c.user, c.domain, got, ok, c.want, c.ok)
		}
	}
}

func TestAnonymousClaimsToBeNobody(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"sip:anonymous@anonymous.invalid": true, "sips:c8oqz84@ANONYMOUS.invalid": true,
		"sip:anonymous@example.com": false, "tel:+491": false,
	} {
		uri, err := sip.ParseURI([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if got := Anonymous(&uri); got != want {
			t.Errorf("%s: got %v, want %v", text, got, want)
		}
	}
}

func TestAllocEdit(t *testing.T) {
	m := parse(t, head+"P-Asserted-Identity: <sip:eve@example.com>\r\nPrivacy: id;user\r\n"+tail)
	var rw sip.Rewriter
	var out []byte
	p := Policy{Assert: ToAll, Service: true}
	identity := []byte("<sip:alice@example.com>")
	got := testing.AllocsPerRun(100, func() {
		for _, f := range []Facts{{ToTrusted: true, Identity: identity}, {FromTrusted: true}, {}} {
			rw.Reset(m)
			f.Privacy = PrivacyOf(m)
			p.Edit(&rw, m, f)
			out = rw.AppendTo(out[:0])
		}
	})
	if got != 0 {
		t.Errorf("%v allocations", got)
	}
}
