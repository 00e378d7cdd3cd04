package registrar_test

import (
	"encoding/base64"
	"regexp"
	"strings"
	"testing"
	"time"

	"viaduct/internal/clock"
	"viaduct/internal/registrar"
	"viaduct/sip"
)

var gruuParam = regexp.MustCompile(`(pub|temp)-gruu="([^"]*)"`)

// gruus are the GRUUs of the first Contact of an answer that has some.
func (a answer) gruus(t *testing.T) (public, temporary string) {
	t.Helper()
	for _, m := range gruuParam.FindAllStringSubmatch(a.headers, 2) {
		if m[1] == "pub" {
			public = m[2]
		} else {
			temporary = m[2]
		}
	}
	if public == "" || temporary == "" {
		t.Fatalf("no GRUUs in\n%s", a.headers)
	}
	return public, temporary
}

// call resolves a Request-URI and returns the contacts in order, or the status.
func (d *desk) call(uri string) (contacts []string, status int) {
	d.t.Helper()
	u, err := sip.ParseURI([]byte(uri))
	if err != nil {
		d.t.Fatal(err)
	}
	g, v := d.r.ParseGRUU(&u)
	switch v {
	case registrar.NoGRUU:
		d.t.Fatalf("%s is none", uri)
	case registrar.UnknownGRUU:
		return nil, 404
	}
	left, status := d.r.Narrow(&g, d.bindings(string(g.AOR)))
	for _, b := range left {
		contacts = append(contacts, string(b.Contact))
	}
	return contacts, status
}

func (d *desk) wantCall(uri string, status int, contacts ...string) {
	d.t.Helper()
	got, s := d.call(uri)
	if s != status || strings.Join(got, " ") != strings.Join(contacts, " ") {
		d.t.Errorf("%s: got %v, %d, want %v, %d", uri, got, s, contacts, status)
	}
}

func withInstance(urn string) string { return `;+sip.instance="<urn:x:` + urn + `>"` }

// Proves: GR-1, GR-2, GR-3, GR-4, GR-9, GR-13
func TestGRUUsLeadToTheirInstance(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.send("", "Contact: <sip:other@192.0.2.10>"+withInstance("2"), "Call-ID: other")
	public, temporary := d.send("", "Supported: gruu", "Contact: <sip:a@192.0.2.10>"+withInstance("1")+";expires=300").gruus(t)
	d.wantCall(public, 0, "sip:a@192.0.2.10")
	d.wantCall(temporary, 0, "sip:a@192.0.2.10")
	d.wantCall(strings.Replace(public, "example", "EXAMPLE", 1)+";x=y", 0, "sip:a@192.0.2.10")
	d.wantCall("sips"+strings.TrimPrefix(public, "sip"), 0, "sip:a@192.0.2.10")
	d.wantCall("sips"+strings.TrimPrefix(temporary, "sip"), 0, "sip:a@192.0.2.10")

	// A client that was started anew registers another address: the latest comes first.
	d.now = d.now.Add(time.Second)
	a := d.send("", "Supported: gruu", "Contact: <sip:b@192.0.2.10>"+withInstance("1")+";expires=300;q=0.1", "CSeq: 2 REGISTER")
	var temporaries []string
	for _, m := range gruuParam.FindAllStringSubmatch(a.headers, -1) {
		if m[1] == "temp" {
			temporaries = append(temporaries, m[2])
		}
	}
	if len(temporaries) != 3 || temporaries[0] == temporaries[1] || temporaries[0] != temporaries[2] {
		t.Errorf("got %v, want the latest for a and b, and another between them", temporaries)
	}
	d.wantCall(public, 0, "sip:b@192.0.2.10", "sip:a@192.0.2.10")
	d.wantCall(temporary, 0, "sip:b@192.0.2.10", "sip:a@192.0.2.10")

	// Without a contact the public one stays, and the temporary one has ended.
	d.now = d.now.Add(300 * time.Second)
	d.wantCall(public, 480)
	d.wantCall(temporary, 404)
	_, next := d.send("", "Supported: gruu", "Contact: <sip:a@192.0.2.10>"+withInstance("1"), "CSeq: 3 REGISTER").gruus(t)
	d.wantCall(temporary, 404)
	d.wantCall(next, 0, "sip:a@192.0.2.10")
	d.wantCall(public, 0, "sip:a@192.0.2.10")
}

// Proves: GR-6
func TestTemporaryGRUUsEndWithTheCallID(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	register := func(callID, seq, extra string) string {
		t.Helper()
		d.now = d.now.Add(time.Second)
		a := d.send("", "Supported: gruu, outbound", "Contact: <sip:a@192.0.2.10>"+withInstance("1")+extra, "Call-ID: "+callID, "CSeq: "+seq+" REGISTER")
		_, temporary := a.gruus(t)
		return temporary
	}
	first := register("one", "1", "")
	second := register("one", "2", "")
	if first == second {
		t.Error("a refresh made no new one")
	}
	d.send("", "To: <sip:a.longer.name@example.com>", "Supported: gruu", "Contact: <sip:a@192.0.2.10>"+withInstance("2"))
	if _, again := d.send("", "Supported: gruu").gruus(t); again != second {
		t.Errorf("a fetch shows %s, want the latest, %s", again, second)
	}
	d.wantCall(first, 0, "sip:a@192.0.2.10")
	third := register("two", "1", "")
	d.now = d.now.Add(-time.Second) // within a millisecond of the one before
	other := register("three", "1", "")
	d.wantCall(third, 404)
	d.wantCall(other, 0, "sip:a@192.0.2.10")
	d.now = d.now.Add(-time.Second)
	third = register("four", "1", "")
	d.wantCall(first, 404)
	d.wantCall(second, 404)
	d.wantCall(third, 0, "sip:a@192.0.2.10")

	// A second flow of the instance, with a Call-ID of its own as RFC 5626 §4.2.1 has
	// it, goes on with the series; one that comes anew ends it for all.
	d.send("", "Contact: *", "Expires: 0")
	one := register("a", "1", ";reg-id=1")
	two := register("b", "1", ";reg-id=2")
	d.wantCall(one, 0, "sip:a@192.0.2.10", "sip:a@192.0.2.10")
	d.wantCall(two, 0, "sip:a@192.0.2.10", "sip:a@192.0.2.10")
	anew := register("c", "1", ";reg-id=1")
	d.wantCall(one, 404)
	d.wantCall(two, 404)
	d.wantCall(anew, 0, "sip:a@192.0.2.10", "sip:a@192.0.2.10")
	joined := register("b", "2", ";reg-id=2")
	d.wantCall(anew, 0, "sip:a@192.0.2.10", "sip:a@192.0.2.10")
	d.wantCall(joined, 0, "sip:a@192.0.2.10", "sip:a@192.0.2.10")

	// What has ended stays so, also when the flow that ended it goes first.
	latest := register("d", "1", ";reg-id=1")
	d.send("", "Contact: <sip:a@192.0.2.10>;reg-id=1;expires=0"+withInstance("1"), "Call-ID: d", "CSeq: 2 REGISTER")
	d.wantCall(joined, 404)
	d.wantCall(latest, 0, "sip:a@192.0.2.10")
}

// Two GRUUs show nothing of whose they are: same length, no characters in common
// at any place beyond chance, whoever they were made for.
//
// Proves: GR-15
func TestTemporaryGRUUsAreUnlinkable(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	var all []string
	for _, user := range []string{"b", "bob", strings.Repeat("x", 45)} {
		for _, seq := range []string{"1", "2", "3"} {
			a := d.send("", "To: <sip:"+user+"@example.com>", "Supported: gruu", "Contact: <sip:a@192.0.2.10>"+withInstance("1"), "CSeq: "+seq+" REGISTER")
			_, temporary := a.gruus(t)
			all = append(all, strings.TrimSuffix(strings.TrimPrefix(temporary, "sip:tgruu."), "@example.com;gr"))
		}
	}
	for i, a := range all {
		raw, err := base64.RawURLEncoding.DecodeString(a)
		if err != nil {
			t.Fatal(err)
		}
		blocks := map[string]bool{}
		for at := 1; at < len(raw); at += 16 {
			blocks[string(raw[at:at+16])] = true
		}
		if len(blocks) != 5 {
			t.Errorf("%s repeats a block", a)
		}
		for _, b := range all[:i] {
			same := 0
			for k := range min(len(a), len(b)) {
				if k > 1 && a[k] == b[k] { // the first says which key
					same++
				}
			}
			if len(a) != len(b) || same > 15 {
				t.Errorf("%s and %s share %d characters", a, b, same)
			}
		}
	}
	// A user with more than there is room for has the public one only.
	a := d.send("", "To: <sip:"+strings.Repeat("x", 46)+"@example.com>", "Supported: gruu", "Contact: <sip:a@192.0.2.10>"+withInstance("1"))
	if !strings.Contains(a.headers, "pub-gruu") || strings.Contains(a.headers, "temp-gruu") {
		t.Errorf("got %s", a.headers)
	}
}

// What somebody has made or changed is no GRUU of ours.
//
// Proves: GR-4
func TestForgedGRUUs(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	_, temporary := d.send("", "Supported: gruu", "Contact: <sip:a@192.0.2.10>"+withInstance("1")).gruus(t)
	for i := len("sip:tgruu."); temporary[i] != '@'; i++ {
		b := []byte(temporary)
		if b[i]++; b[i] == '{' || b[i] == '[' || b[i] == ':' || b[i] == '.' || b[i] == '`' {
			b[i] = 'a'
		}
		d.wantCall(string(b), 404)
	}
	for _, uri := range []string{
		strings.Replace(temporary, "example.com", "example.org", 1),
		strings.Replace(temporary, "@", "A@", 1),
		"sip:tgruu.@example.com;gr", "sip:bob@example.com;gr", "sip:example.com;gr",
		"sip:bob@example.com;gr=1", "sip:bob@example.com;gr=uuid:x",
	} {
		d.wantCall(uri, 404)
	}
	// A contact that is a temporary GRUU of its own AOR would go round (GR-5).
	if got := d.send("", "CSeq: 2 REGISTER", "Contact: <"+temporary+">"+withInstance("1")); got.status != 403 {
		t.Errorf("got %+v, want 403", got)
	}
	u, _ := sip.ParseURI([]byte("sip:bob@example.com"))
	if _, v := d.r.ParseGRUU(&u); v != registrar.NoGRUU {
		t.Errorf("got %v, want NoGRUU", v)
	}
}

// The first secret seals, all open.
func TestKeysOfGRUUs(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	old, new := []byte("a secret of the tests"), []byte("another secret of tests")
	use := func(secrets ...[]byte) {
		k, err := registrar.NewKeys(secrets...)
		if err != nil {
			t.Fatal(err)
		}
		d.r.Use(k)
	}
	_, before := d.send("", "Supported: gruu", "Contact: <sip:a@192.0.2.10>"+withInstance("1")).gruus(t)
	use(new, old)
	_, after := d.send("", "Supported: gruu").gruus(t)
	d.wantCall(before, 0, "sip:a@192.0.2.10")
	d.wantCall(after, 0, "sip:a@192.0.2.10")
	use(new)
	d.wantCall(before, 404)
	d.wantCall(after, 0, "sip:a@192.0.2.10")
	d.r.Use(nil)
	d.wantCall(after, 404)
	if a := d.send("", "Supported: gruu"); strings.Contains(a.headers, "temp-gruu") || !strings.Contains(a.headers, "pub-gruu") {
		t.Errorf("got %s", a.headers)
	}
	if _, err := registrar.NewKeys(); err == nil {
		t.Error("keys of no secret")
	}
	if _, err := registrar.NewKeys([]byte("short")); err == nil {
		t.Error("keys of a short secret")
	}
}

// A public GRUU holds whatever an instance may be.
func TestInstancesOfEveryKind(t *testing.T) {
	t.Parallel()
	for urn, equal := range map[string]string{
		"urn:uuid:F81D4FAE-7DEC-11D0-A765-00A0C91E6BF6": "urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6",
		"URN:X-y:aB;c=d,e%2F%af?#":                      "urn:x-y:aB;c=d,e%2f%AF?#",
	} {
		d := newDesk(t)
		public, _ := d.send("", "Supported: gruu", `Contact: <sip:a@192.0.2.10>;+sip.instance="<`+urn+`>"`).gruus(t)
		d.wantCall(public, 0, "sip:a@192.0.2.10")
		d.send("", `Contact: <sip:b@192.0.2.10>;reg-id=1;+sip.instance="<`+urn+`>"`, "CSeq: 2 REGISTER")
		d.send("", `Contact: <sip:c@192.0.2.10>;reg-id=1;+sip.instance="<`+equal+`>"`, "CSeq: 3 REGISTER")
		if got := d.bindings("sip:bob@example.com"); len(got) != 2 {
			t.Errorf("%s: %d bindings, want 2", urn, len(got))
		}
	}
	for _, none := range []string{"", `""`, `"<>"`, `"<a b>"`, `"urn:x:y"`, `<urn:x:y>`, `"<a\"b>"`} {
		if got := registrar.Instance([]byte(none)); got != nil {
			t.Errorf("%s: got %s, want none", none, got)
		}
	}
}

// Date is the second of the answer, however close to the next and in whatever order.
func TestDateOfAnswers(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.send("", "Contact: <sip:a@192.0.2.10>")
	for _, passed := range []time.Duration{0, time.Millisecond, 999 * time.Millisecond, time.Second, 1999 * time.Millisecond, 2 * time.Second, time.Hour, 0} {
		now := d.now.Add(passed)
		want := "Date: " + clock.Wall(now).UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT") + "\r\n"
		if out := string(d.r.AppendOK(nil, now, &d.s, nil)); !strings.HasSuffix(out, want) {
			t.Errorf("after %v: got %s, want %s", passed, out, want)
		}
	}
}

// The commit may take its time: what has expired meanwhile is not listed.
func TestAnswerIsOfItsOwnTime(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	var m sip.Message
	if err := m.Parse(compose("", "Contact: <sip:a@192.0.2.10>;expires=60, <sip:b@192.0.2.10>")); err != nil {
		t.Fatal(err)
	}
	d.step(&m, nil)
	out := string(d.r.AppendOK(nil, d.now.Add(time.Minute), &d.s, d.found.Bindings))
	if strings.Contains(out, "sip:a@") || !strings.Contains(out, "<sip:b@192.0.2.10>;expires=3540\r\n") {
		t.Errorf("got %s", out)
	}
}
