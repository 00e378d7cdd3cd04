package policy

import (
	"bytes"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"viaduct/sip"
)

// asRegexp is a dial plan as a regular expression: the slow reference.
func asRegexp(plan string) *regexp.Regexp {
	var b strings.Builder
	b.WriteString(`(?s)^`)
	for i := 0; i < len(plan); i++ {
		switch c := plan[i]; c {
		case 'X':
			b.WriteString(`[0-9]`)
		case 'Z':
			b.WriteString(`[1-9]`)
		case 'N':
			b.WriteString(`[2-9]`)
		case '.':
			b.WriteString(`.+`)
		case '[':
			end := i + 1 + strings.IndexByte(plan[i+1:], ']')
			b.WriteString("[" + strings.NewReplacer(`\`, `\\`, `[`, `\[`, `^`, `\^`).Replace(plan[i+1:end]) + "]")
			i = end
		default:
			b.WriteString(regexp.QuoteMeta(string(c)))
		}
	}
	re, err := regexp.Compile(b.String() + `$`)
	if err != nil {
		return nil
	}
	return re
}

// FuzzPattern compares dial plans with regular expressions.
func FuzzPattern(f *testing.F) {
	for _, plan := range []string{"0[1-9]XXXXXXXX", "Z.", "+33N[157-9]", "[", "1.2", "[^a]"} {
		f.Add(plan, "0612345678")
	}
	f.Fuzz(func(t *testing.T, plan, s string) {
		p, err := NewPattern(plan)
		if err != nil {
			return
		}
		got := p.Match([]byte(s))
		ascii := func(s string) bool { return strings.IndexFunc(s, func(r rune) bool { return r >= utf8.RuneSelf }) < 0 }
		if re := asRegexp(plan); re != nil && ascii(plan) && ascii(s) && got != re.MatchString(s) {
			t.Errorf("%q takes %q: got %v", plan, s, got)
		}
	})
}

// FuzzURIParts holds that nothing a message says can leave the part of a URI in
// which a rule puts it.
func FuzzURIParts(f *testing.F) {
	for _, s := range []string{"alice", "a@b", "a;b=c", "%40", "%4", "a?b", "\r\nVia: x", "é", "[", ":5060", "evil.example"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, s []byte) {
		said := func(*Facts) []byte { return s }
		facts := new(Facts)
		build := func(parts ...Text) (sip.URI, bool) {
			text := Concat(parts...)(facts)
			if bytes.ContainsAny(text, "\r\n<>\" ") {
				t.Fatalf("%q became %q", s, text)
			}
			u, err := sip.ParseURI(text)
			return u, err == nil
		}
		u, ok := build(Const("sip:"), UserInfo(AsUser(said)), Const("192.0.2.1:5070;x=y"))
		if ok && (string(u.Host) != "192.0.2.1" || u.Port != 5070 || string(u.Params) != ";x=y" || u.HasPassword) {
			t.Errorf("as user, %q moved the call to %s", s, u.Text)
		}
		if !ok && len(s) <= 80 { // escaped at most 240 bytes: a user part has up to 256
			t.Errorf("as user, %q made the URI invalid", s)
		}
		u, ok = build(Const("sip:a@192.0.2.1:5070;x="), AsParam(said), Const(";y=z"))
		if y, _ := u.Params.Get("y"); ok && (string(u.Host) != "192.0.2.1" || u.Headers != nil || string(y) != "z") {
			t.Errorf("as parameter, %q made %s", s, u.Text)
		}
		u, ok = build(Const("sip:a@"), AsHost(said), Const(";x=y"))
		if ok && (string(u.User) != "a" || string(u.Params) != ";x=y") {
			t.Errorf("as host, %q made %s", s, u.Text)
		}
	})
}
