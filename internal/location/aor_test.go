package location_test

import (
	"bytes"
	"strings"
	"testing"

	"viaduct/internal/location"
	"viaduct/sip"
)

func canonical(t *testing.T, text string) (aor string, ok bool) {
	t.Helper()
	u, err := sip.ParseURI([]byte(text))
	if err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	b, ok := location.AppendAOR(nil, &u)
	return string(b), ok
}

// Proves: RG-8, RG-33
func TestAppendAOR(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"sip:alice@example.org":                          "sip:alice@example.org",
		"SIP:alice@EXAMPLE.Org":                          "sip:alice@example.org",
		"sips:alice@example.org":                         "sip:alice@example.org",
		"sip:Alice@example.org":                          "sip:Alice@example.org",
		"sip:alice@example.org;transport=tcp;user=phone": "sip:alice@example.org",
		"sip:alice@example.org;method=REGISTER?a=b":      "sip:alice@example.org",
		"sip:%61lic%65@example.org":                      "sip:alice@example.org",
		"sip:%2B1201@example.org":                        "sip:+1201@example.org",
		"sip:a%3bb@example.org":                          "sip:a;b@example.org",
		"sip:a;b@example.org":                            "sip:a;b@example.org",
		"sip:a%40b@example.org":                          "sip:a%40b@example.org",
		"sip:a%3ab@example.org":                          "sip:a%3Ab@example.org",
		"sip:%c3%a9@example.org":                         "sip:%C3%A9@example.org",
		"sip:%00@example.org":                            "sip:%00@example.org",
		"sip:%2500@example.org":                          "sip:%2500@example.org",
		"sip:%2561@example.org":                          "sip:%2561@example.org",
		"sip:alice:secret@example.org":                   "sip:alice@example.org",
		"sip:alice@example.org:5060":                     "sip:alice@example.org:5060",
		"sip:alice@example.org:05070":                    "sip:alice@example.org:5070",
		"sip:example.org":                                "sip:example.org",
		"sip:alice@192.0.2.1":                            "sip:alice@192.0.2.1",
		"sip:alice@[2001:DB8:0::09:01]:5060":             "sip:alice@[2001:db8::9:1]:5060",
		"sip:alice@[::ffff:c000:280]":                    "sip:alice@[::ffff:192.0.2.128]",
		"sip:-_.!~*'()&=+$,;?/@h":                        "sip:-_.!~*'()&=+$,;?/@h",
	} {
		if got, ok := canonical(t, text); got != want || !ok {
			t.Errorf("%s: got %s %v, want %s", text, got, ok, want)
		}
	}
	for _, text := range []string{"tel:+1201", "mailto:a@h", "http://h/"} {
		if got, ok := canonical(t, text); ok || got != "" {
			t.Errorf("%s: got %s %v", text, got, ok)
		}
	}
}

// FuzzAOR holds that a canonical form is a URI, its own canonical form, not longer
// than what was written, and that the user behind it is the same.
func FuzzAOR(f *testing.F) {
	for _, s := range []string{"sip:a%40b:c@Example.org:5060;x=y", "sips:%00%25@[::1]", "sip:H", "sip:%C3%a9;a?b@1.2.3.4"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		u, err := sip.ParseURI(text)
		if err != nil {
			return
		}
		aor, ok := location.AppendAOR(nil, &u)
		if !ok {
			return
		}
		v, err := sip.ParseURI(aor)
		if err != nil {
			t.Fatalf("%q: %q: %v", text, aor, err)
		}
		if again, _ := location.AppendAOR(nil, &v); !bytes.Equal(again, aor) {
			t.Errorf("%q: %q, and of that %q", text, aor, again)
		}
		if !bytes.Equal(sip.AppendUnescaped(nil, u.User), sip.AppendUnescaped(nil, v.User)) || u.HasUser != v.HasUser {
			t.Errorf("%q: the user of %q is another", text, aor)
		}
		if !sip.EqualHost(u.Host, v.Host) || u.HasPort != v.HasPort || u.Port != v.Port || v.HasPassword || len(v.Params) > 0 {
			t.Errorf("%q: got %q", text, aor)
		}
		if strings.ContainsAny(string(aor), "\x00\r\n \"<>") || len(aor) > len(text)+len("[::ffff:255.255.255.255]") {
			t.Errorf("%q: got %q", text, aor)
		}
	})
}
