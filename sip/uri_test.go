package sip_test

import (
	"net/netip"
	"strings"
	"testing"

	"viaduct/sip"
)

func mustURI(t *testing.T, s string) *sip.URI {
	t.Helper()
	u, err := sip.ParseURI([]byte(s))
	if err != nil {
		t.Fatalf("%q: %v", s, err)
	}
	return &u
}

// Proves: UR-5, UR-10, UR-11, UR-16, SX-32
func TestParseURI(t *testing.T) {
	t.Parallel()
	for s, ok := range map[string]bool{
		"sip:example.com":                          true,
		"SIPS:alice@example.com":                   true,
		"sip:alice:secret@example.com:5061;lr?a=b": true,
		"sip:user;par=u%40x@h":                     true,
		"sip:&=+$,;?/@h":                           true,
		"sip:*21#@h":                               true,
		"sip:a:@h":                                 true,
		"sip:a:b:c@h":                              false,
		"sip:a@b@h":                                false,
		"sip:a@h;x=y@z":                            false,
		"sip:a@h?x=y@z":                            false,
		"sip:@example.com":                         false,
		"sip::pw@example.com":                      false,
		"sip:":                                     false,
		"sip":                                      false,
		"":                                         false,
		":x":                                       false,
		"sip:a%4@h":                                false,
		"sip:a%4g@h":                               false,
		"sip:a%@h":                                 false,
		"sip:a%41@h":                               true,
		"sip:a b@h":                                false,
		"sip:a\"b@h":                               false,
		"sip:h:5060":                               true,
		"sip:h:65535":                              true,
		"sip:h:65536":                              false,
		"sip:h:99999":                              false,
		"sip:h:":                                   false,
		"sip:h:5060x":                              false,
		"sip:h:-1":                                 false,
		"sip:444.555.666.777":                      false,
		"sip:192.0.2.01":                           false,
		"sip:192.0.2":                              false,
		"sip:192.0.2.1.":                           false,
		"sip:192.0.2.255":                          true,
		"sip:[2001:db8::1]:5060":                   true,
		"sip:2001:db8::1":                          false,
		"sip:[2001:db8::1":                         false,
		"sip:[2001:db8::1]x":                       false,
		"sip:[2001:db8:::192.0.2.1]":               true,
		"sip:[2001:db8:::1]":                       false,
		"sip:[1:2:3:4:5:6:7:8]":                    true,
		"sip:[1:2:3:4:5:6:7]":                      false,
		"sip:[1::2::3]":                            false,
		"sip:[fe80::1%eth0]":                       false,
		"sip:host-.example.com":                    false,
		"sip:-host.example.com":                    false,
		"sip:a..b":                                 false,
		"sip:.":                                    false,
		"sip:example.com.":                         true,
		"sip:_sip._udp.example.com":                true,
		"sip:3com":                                 true,
		"sip:ex%61mple.com":                        false,
		"sip:h;":                                   false,
		"sip:h;;lr":                                false,
		"sip:h;=x":                                 false,
		"sip:h;lr=":                                true,
		"sip:h;a=b=c":                              true,
		"sip:h;x=[::1]/:&+$":                       true,
		"sip:h;x=\"y\"":                            false,
		"sip:h;lr ":                                false,
		"sip:h;x=%zz":                              false,
		"sip:h?":                                   false,
		"sip:h?a=b&c=%3Cx%3E":                      true,
		"sip:h?a=<b>":                              false,
		"tel:+1-201-555-0123;phone-context=x":      true,
		"nobodyKnowsThisScheme:totallyopaquecontent": true,
		"soap.beep://192.0.2.103:3002":               true,
		"http://www.example.com/a?b=c#d":             true,
		"1x:y":                                       false,
		"x y:z":                                      false,
		"x:y z":                                      false,
		"x:":                                         false,
		"sip:" + strings.Repeat("u", 256) + "@h":     true,
		"sip:" + strings.Repeat("u", 257) + "@h":     false,
		"urn:" + strings.Repeat("u", sip.MaxURI-4):    true,
		"urn:" + strings.Repeat("u", sip.MaxURI-3):    false,
		"sip:h" + strings.Repeat(";a", sip.MaxParams): true,
	} {
		if _, err := sip.ParseURI([]byte(s)); (err == nil) != ok {
			t.Errorf("%q: got %v, want ok %v", s, err, ok)
		}
	}
}

// Proves: UR-6
func TestURIParts(t *testing.T) {
	t.Parallel()
	u := mustURI(t, "sip:a;b?c:p&w@[2001:db8::1]:5070;LR=on;Maddr=224.0.0.1;transport=TCP;x?s=1&t=2")
	for what, pair := range map[string][2]string{
		"user":      {string(u.User), "a;b?c"},
		"password":  {string(u.Password), "p&w"},
		"host":      {string(u.Host), "[2001:db8::1]"},
		"params":    {string(u.Params), ";LR=on;Maddr=224.0.0.1;transport=TCP;x"},
		"headers":   {string(u.Headers), "s=1&t=2"},
		"maddr":     {string(u.MAddr()), "224.0.0.1"},
		"transport": {string(u.Transport()), "TCP"},
		"scheme":    {string(u.SchemeName), "sip"},
	} {
		equal(t, what, pair[0], pair[1])
	}
	if u.Port != 5070 || !u.HasPort || !u.LooseRouter() || !u.IsSIP() || !u.HasUser || !u.HasPassword {
		t.Errorf("got %+v", u)
	}
	if a, ok := u.Addr(); !ok || a != netip.MustParseAddr("2001:db8::1") {
		t.Error(a, ok)
	}
	u = mustURI(t, "tel:+1;ext=2")
	if u.Scheme != sip.TEL || string(u.User) != "+1" || string(u.Params) != ";ext=2" || u.IsSIP() || u.LooseRouter() {
		t.Errorf("got %+v", u)
	}
	if !mustURI(t, "sip:h;%6C%72").LooseRouter() || mustURI(t, "sip:h;lrx").LooseRouter() {
		t.Error("lr")
	}
}

// Proves: UR-1, UR-3, UR-4, UR-9, UR-13, UR-14, UR-15, UR-17, UR-18
func TestEqualURIs(t *testing.T) {
	t.Parallel()
	// RFC 3261 §19.1.4 and RFC 5954 §4.2 give most of these.
	same := [][2]string{
		{"sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtLanTa.CoM;Transport=tcp"},
		{"sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"},
		{"sip:carol@chicago.com", "sip:carol@chicago.com;security=on"},
		{"sip:carol@chicago.com;newparam=5", "sip:carol@chicago.com;security=on"},
		{"sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com", "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com"},
		{"sip:alice@atlanta.com?subject=project%20x&priority=urgent", "sip:alice@atlanta.com?priority=urgent&subject=project%20x"},
		{"SIP:a@h", "sip:a@H"},
		{"sip:a@h;a=1;b=2", "sip:a@h;B=2;A=1"},
		{"sip:bob@[::ffff:192.0.2.128]", "sip:bob@[::ffff:c000:280]"},
		{"sip:bob@[2001:db8::9:1]", "sip:bob@[2001:db8::9:01]"},
		{"sip:bob@[0:0:0:0:0:FFFF:129.144.52.38]", "sip:bob@[::FFFF:129.144.52.38]"},
		{"sip:a%25%34%31@h", "sip:a%2541@h"},
		{"sip:a@h;ob;gr=urn:x", "sip:a@h"},
		{"sip:a@h;%74ransport=tcp", "sip:a@h;transport=t%63p"},
		{"tel:+1", "TEL:+1"},
		{"sip:a@h?Subject=x", "sip:a@h?subject=x"},
		{"sip:a@h;x=1;x=2", "sip:a@h;x=1;x=2"},
	}
	different := [][2]string{
		{"SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP"},
		{"sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"},
		{"sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"},
		{"sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp"},
		{"sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting"},
		{"sip:carol@chicago.com;security=off", "sip:carol@chicago.com;security=on"},
		{"sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"},
		{"sip:a@h", "sips:a@h"},
		{"sip:a@h;user=phone", "sip:a@h"},
		{"sip:a@h;ttl=1", "sip:a@h"},
		{"sip:a@h;method=INVITE", "sip:a@h"},
		{"sip:a@h;maddr=1.1.1.1", "sip:a@h"},
		{"sip:a:P@h", "sip:a:p@h"},
		{"sip:a:p@h", "sip:a@h"},
		{"sip:a:@h", "sip:a@h"},
		{"sip:h", "sip:a@h"},
		{"sip:a%3Bb@h", "sip:a;b@h"},
		{"sip:a%40b@h", "sip:ab@h"},
		{"sip:%25%34%31@h", "sip:A@h"},
		{"sip:a@h?x=1&x=1", "sip:a@h?x=1"},
		{"sip:a@h?x=1&x=2", "sip:a@h?x=1&x=1"},
		{"sip:a@h?x=A", "sip:a@h?x=a"},
		{"sip:a@h;x", "sip:a@h;x=1"},
		{"sip:a@[::ffff:192.0.2.1]", "sip:a@192.0.2.1"},
		{"tel:+1", "tel:+2"},
		{"tel:+1", "sip:+1@h"},
	}
	for _, p := range same {
		if u, v := mustURI(t, p[0]), mustURI(t, p[1]); !u.Equal(v) || !v.Equal(u) || !u.Equal(u) {
			t.Errorf("%q and %q differ", p[0], p[1])
		}
	}
	for _, p := range different {
		if u, v := mustURI(t, p[0]), mustURI(t, p[1]); u.Equal(v) || v.Equal(u) {
			t.Errorf("%q and %q are equal", p[0], p[1])
		}
	}
	if sip.EqualHost([]byte("ex%61mple.com"), []byte("example.com")) || !sip.EqualHost([]byte("EXAMple.com"), []byte("example.com")) {
		t.Error("EqualHost")
	}
}

// Proves: UR-6, UR-7, UR-8, UR-12
func TestAppendRequestURI(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]string{
		"sip:a:b@h;method=X;y=z": "sip:a:b@h;y=z",
		"sip:b@h:5070;maddr=1.1.1.1;METHOD=INVITE;transport=tcp;ttl=1;user=phone;u?Route=%3Csip:x%3E": "sip:b@h:5070;maddr=1.1.1.1;transport=tcp;ttl=1;user=phone;u",
		"sip:b@h;ob;gr=urn:uuid:f81d": "sip:b@h;ob;gr=urn:uuid:f81d",
		"sip:b@h;m%65thod=X":          "sip:b@h",
		"sip:b;method=x@h;methods=y":  "sip:b;method=x@h;methods=y",
		"tel:+1;method=x?y":           "tel:+1;method=x?y",
		"sip:user@example.com?Route=": "sip:user@example.com",
	} {
		equal(t, s, string(mustURI(t, s).AppendRequestURI(nil)), want)
	}
}

// Proves: UR-18
func TestUnescapeOnce(t *testing.T) {
	t.Parallel()
	equal(t, "unescaped", string(sip.AppendUnescaped([]byte("x"), []byte("%25%34%31%3b%zz%4"))), "x%41;%zz%4")
}

// Proves: UR-10, UR-13, SX-17
func TestHostAddr(t *testing.T) {
	t.Parallel()
	for _, s := range []string{
		"::", "::1", "1::", "2001:db8::9:1", "1:2:3:4:5:6:7:8", "::ffff:192.0.2.1", "1:2:3:4:5:6:192.0.2.1", "64:ff9b::192.0.2.33",
		"1:2:3:4:5:6:7::", "::2:3:4:5:6:7:8", "1:2:3:4:5:6:7", "1::2::3", ":1", "1:", ":::", "1:2:3:4:5:6:7:8:9", "12345::", "g::",
		"1:2:3:4:5:6:7:192.0.2.1", "::192.0.2.256", "::192.0.2", "192.0.2.1", "0.0.0.0", "255.255.255.255", "256.1.1.1", "1.2.3", "01.2.3.4",
		"1.2.3.4.", "", "::1.2.3.4:5", "1::2:3:4:5:6:7:8",
	} {
		got, ok := sip.HostAddr([]byte(s))
		want, err := netip.ParseAddr(s)
		if ok != (err == nil) || got != want {
			t.Errorf("%q: got %v %v, netip says %v %v", s, got, ok, want, err)
		}
		if b, bok := sip.HostAddr([]byte("[" + s + "]")); bok != (ok && want.Is6()) || (bok && b != want) {
			t.Errorf("[%s]: got %v %v", s, b, bok)
		}
	}
}

func TestAddress(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]string{
		"<sip:a@h>":                      "||sip:a@h|",
		"sip:a@h":                        "||sip:a@h|",
		" caller<sip:a@h>":               "|caller|sip:a@h|",
		"A. \t Bell <sip:a@h;x> ; y = z": "|A. \t Bell|sip:a@h;x| ; y = z",
		"\"\"<sip:a@h>;tag=1":            "|\"\"|sip:a@h|;tag=1",
		"<http://x/?a,b>":                "||http://x/?a,b|",
		"*":                              "error",
		"sip:a@h,b":                      "error",
		"<sip:a@h>;x=\"a":                "error",
		"<sip:a@h>;":                     "error",
		"<sip:a@h> x <sip:b@h>":          "error",
		"\"a\"sip:b@h":                   "error",
		"a\\b <sip:c@h>":                 "error",
	} {
		a, err := sip.ParseAddress([]byte(s))
		got := "|" + string(a.Display) + "|" + string(a.URI) + "|" + string(a.Params)
		if err != nil {
			got = "error"
		}
		equal(t, s, got, want)
	}
	for s, want := range map[string]int{
		"": 42, ";q=1": 1000, ";q=0.5": 500, ";Q=0.333": 333, ";q=1.000": 1000, ";q=0": 0, ";q=0.": 0,
		";q=1.1": 42, ";q=x": 42, ";q": 42, ";q=0.1234": 42, ";q=2": 42, ";q=.5": 42,
	} {
		a := sip.Address{Params: sip.Params(s)}
		if got := a.Q(42); got != want {
			t.Errorf("%q: got %d, want %d", s, got, want)
		}
	}
	empty := sip.Address{Params: sip.Params(";tag=")}
	if empty.Tag() != nil {
		t.Error("an empty tag counts")
	}
}

func TestParams(t *testing.T) {
	t.Parallel()
	p := sip.Params(" ;a ; B = \"x;y\" ;\r\n c=d;b=2")
	var got []string
	it := p.Each()
	for it.Next() {
		got = append(got, string(it.Name)+"="+string(it.Value))
	}
	equal(t, "all", strings.Join(got, "|"), `a=|B="x;y"|c=d|b=2`)
	if it.Err {
		t.Error("Err")
	}
	v, ok := p.Get("b")
	if !ok || string(v) != `"x;y"` || p.Has("x") || !p.Has("A") {
		t.Errorf("got %q %v", v, ok)
	}
	for _, s := range []string{"x", ";", ";;a", ";a b", ";=x", ";a=\"b", ";a=b,c"} {
		it := sip.Params(s).Each()
		for it.Next() {
		}
		if !it.Err {
			t.Errorf("%q: no Err", s)
		}
	}
}

func TestParseNumber(t *testing.T) {
	t.Parallel()
	for s, ok := range map[string]bool{"0": true, "4294967295": true, "0000000001": true, "00000000001": false, "": false, "-1": false, "1 ": false, "4294967296": false} {
		if _, got := sip.ParseNumber([]byte(s), 1<<32-1); got != ok {
			t.Errorf("%q: got %v", s, got)
		}
	}
}
