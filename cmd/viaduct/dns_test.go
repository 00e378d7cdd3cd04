package main

import "testing"

func TestAsURI(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"example.com":           "sip:example.com",
		"example.com:5070":      "sip:example.com:5070",
		"bob@example.com":       "sip:bob@example.com",
		"[2001:db8::1]":         "sip:[2001:db8::1]",
		"example.com;maddr=a.b": "sip:example.com;maddr=a.b",
		"sip:example.com":       "sip:example.com",
		"SIPS:example.com":      "SIPS:example.com",
		"tel:+31612345678":      "tel:+31612345678",
	} {
		if got := asURI(text); got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
}
