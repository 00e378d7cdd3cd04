package proxy_test

import "testing"

// RFC 3261 §16.7 step 4: who does not know the tel URI that a rule has made of a
// sip URI is asked again with a SIP URI for the same number, and its 416 counts no
// more. A 416 about a scheme that nobody here has changed is an answer.
//
// Proves: RD-9
func TestUnsupportedSchemeOfARule(t *testing.T) {
	t.Parallel()
	const config = `
rule "numbers" {
  when = starts_with(dest.user, "0")
  set  = { dest_uri = "tel:${dest.user};phone-context=example.org" }
  send = "sip:gw@203.0.113.7;transport=udp"
}
rule "all" { send = "sip:203.0.113.7" }
`
	begin := func(uri string) (*stage, sent) {
		s := newStage(t, config)
		return s, s.relayed(s.receive(aliceAt, s.compose("INVITE "+uri+" SIP/2.0")), bobAt)
	}
	s, x := begin("sip:0612@example.org")
	if x.URI != "tel:0612;phone-context=example.org" {
		t.Fatalf("the rule made %s of it", x.URI)
	}
	list := s.receive(bobAt, answer(x, "416 Unsupported URI Scheme"))
	if len(list) != 2 || list[0].Method != "ACK" {
		t.Fatalf("the 416 gave %d messages", len(list))
	}
	y := s.relayed(list[1:], bobAt)
	if y.URI != "sip:0612;phone-context=example.org@203.0.113.7;user=phone" || y.Branch() == x.Branch() {
		t.Errorf("asked again for %s", y.URI)
	}
	s.refused(s.receive(bobAt, answer(y, "200 OK")), 200)

	s, x = begin("sip:0612@example.org")
	y = s.relayed(s.receive(bobAt, answer(x, "416 Unsupported URI Scheme"))[1:], bobAt)
	s.refused(s.receive(bobAt, answer(y, "404 Not Found"))[1:], 404) // and not the 416
	s, x = begin("sip:0612@example.org")
	y = s.relayed(s.receive(bobAt, answer(x, "416 Unsupported URI Scheme"))[1:], bobAt)
	s.refused(s.receive(bobAt, answer(y, "416 Unsupported URI Scheme"))[1:], 416)

	for _, uri := range []string{"sip:bob@example.org", "tel:0612;phone-context=example.org"} {
		s = newStage(t, config)
		list = s.receive(aliceAt, s.compose("INVITE "+uri+" SIP/2.0"))
		if s.one(list).IsRequest() {
			s.refused(s.receive(bobAt, answer(list[0], "416 Unsupported URI Scheme"))[1:], 416)
		}
	}
}
