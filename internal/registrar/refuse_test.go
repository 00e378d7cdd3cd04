package registrar_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"viaduct/internal/flow"
	"viaduct/internal/location"
	"viaduct/internal/registrar"
	"viaduct/sip"
)

const instance = `+sip.instance="<urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6>"`

// Every way to be refused, with the RFC's answer. None leaves a trace.
//
// Proves: RG-6, RG-15, RG-19, RG-21, RG-27, RG-32, RG-34, RG-35, GR-5, GR-14
func TestRefusals(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 2000)
	cases := []struct {
		name    string
		start   string
		lines   []string
		status  int
		headers string
	}{
		{"an unknown option is required", "", []string{"Require: path, foo", "Require: bar"}, 420, "Unsupported: foo, bar\r\n"},
		{"a domain of others", "", []string{"To: <sip:bob@example.net>"}, 404, ""},
		{"a domain of others at our address", "REGISTER sip:198.51.100.1 SIP/2.0", []string{"To: <sip:bob@example.net>"}, 404, ""},
		{"another domain of ours than that of the Request-URI", "REGISTER sip:example.org SIP/2.0", []string{"Contact: <sip:a@192.0.2.1>"}, 404, ""},
		{"To is no SIP URI", "", []string{"To: <isbn:2983792873>", "Contact: <sip:a@192.0.2.1>"}, 400, ""},
		{"To is a number", "", []string{"To: <tel:+31201234567>"}, 400, ""},
		{"wildcard without Expires", "", []string{"Contact: *"}, 400, ""},
		{"wildcard with another Expires", "", []string{"Contact: *", "Expires: 60"}, 400, ""},
		{"wildcard with an Expires that cannot be read", "", []string{"Contact: *", "Expires: nil"}, 400, ""},
		{"wildcard beside a Contact", "", []string{"Contact: *, <sip:a@192.0.2.1>", "Expires: 0"}, 400, ""},
		{"wildcard before a Contact that is removed", "", []string{"Contact: <sip:a@192.0.2.1>;expires=0", "Contact: *", "Expires: 0"}, 400, ""},
		{"two wildcards", "", []string{"Contact: *", "Contact: *", "Expires: 0"}, 400, ""},
		{"wildcard with a parameter", "", []string{"Contact: *;q=1", "Expires: 0"}, 400, ""},
		{"empty Contact", "", []string{"Contact:"}, 400, ""},
		{"empty element", "", []string{"Contact: <sip:a@192.0.2.1>,,<sip:b@192.0.2.1>"}, 400, ""},
		{"Contact without a scheme", "", []string{"Contact: <192.0.2.1>"}, 400, ""},
		{"Contact without a host", "", []string{"Contact: <sip:a@>"}, 400, ""},
		{"the second Contact is bad", "", []string{"Contact: <sip:a@192.0.2.1>, <sip:b@>"}, 400, ""},
		{"q above 1", "", []string{"Contact: <sip:a@192.0.2.1>;q=1.5"}, 400, ""},
		{"q is a word", "", []string{"Contact: <sip:a@192.0.2.1>;q=abc"}, 400, ""},
		{"q without value", "", []string{"Contact: <sip:a@192.0.2.1>;q"}, 400, ""},
		{"q with four decimals", "", []string{"Contact: <sip:a@192.0.2.1>;q=0.1234"}, 400, ""},
		{"too brief", "", []string{"Contact: <sip:a@192.0.2.1>;expires=59"}, 423, "Min-Expires: 60\r\n"},
		{"the second is too brief", "", []string{"Contact: <sip:a@192.0.2.1>, <sip:b@192.0.2.1>;expires=1"}, 423, "Min-Expires: 60\r\n"},
		{"reg-id 0", "", []string{"Contact: <sip:a@192.0.2.1>;reg-id=0;" + instance}, 400, ""},
		{"reg-id above 2^31-1", "", []string{"Contact: <sip:a@192.0.2.1>;reg-id=2147483648;" + instance}, 400, ""},
		{"reg-id is a word", "", []string{"Contact: <sip:a@192.0.2.1>;reg-id=one;" + instance}, 400, ""},
		{"the AOR itself as an instance", "", []string{"Contact: <sip:bob@example.com>;" + instance}, 403, ""},
		{"the AOR itself as an instance, otherwise written", "", []string{"Contact: <sips:%62ob@EXAMPLE.com;x=y>;" + instance}, 403, ""},
		{"its own public GRUU", "", []string{"Contact: <sip:bob@example.com;gr=urn:uuid:0;transport=tcp>;" + instance}, 403, ""},
		{"an instance that is no SIP URI", "", []string{"Contact: <mailto:bob@example.com>;" + instance}, 403, ""},
		{"sips Contact by way of a sip Request-URI", "", []string{"Contact: <sips:a@192.0.2.1>"}, 400, ""},
		{"sips Contact beside a sip one", "REGISTER sips:example.com SIP/2.0", []string{"Contact: <sips:a@192.0.2.1>, <sip:a@192.0.2.1>"}, 400, ""},
		{"sips Contact behind a sip Path", "REGISTER sips:example.com SIP/2.0", []string{"Contact: <sips:a@192.0.2.1>", "Supported: path", "Path: <sips:a;lr>, <sip:b;lr>"}, 400, ""},
		{"sips Contact behind a sip Path further on", "REGISTER sips:example.com SIP/2.0", []string{"Contact: <sips:a@192.0.2.1>", "Supported: path", "Path: <sip:a;lr>, <sips:b;lr>"}, 400, ""},
		{"bad Path", "", []string{"Contact: <sip:a@192.0.2.1>", "Supported: path", "Path: sip:a;lr"}, 400, ""},
		{"Path of another scheme", "", []string{"Contact: <sip:a@192.0.2.1>", "Supported: path", "Path: <tel:1>"}, 400, ""},
		{"long Path", "", []string{"Contact: <sip:a@192.0.2.1>", "Supported: path", "Path: <sip:a;x=" + long + ">", "Path: <sip:b;x=" + long[:100] + ">"}, 513, ""},
		{"long Contact", "", []string{"Contact: <sip:a@192.0.2.1>;x=" + long + ";y=" + long[:100]}, 513, ""},
		{"65 Contacts", "", []string{"Contact: " + strings.TrimSuffix(strings.Repeat("<sip:a@192.0.2.1>;expires=0, ", 65), ", ")}, 403, ""},
		{"11 Contacts", "", []string{"Contact: " + contacts(11)}, 403, ""},
		{"a copy with a new branch", "", []string{"Contact: <sip:there@192.0.2.1>", "Call-ID: there"}, 500, ""},
		{"late, beside a new Contact", "", []string{"Contact: <sip:a@192.0.2.1>, <sip:there@192.0.2.1>;expires=0", "Call-ID: there"}, 500, ""},
		{"a late wildcard", "", []string{"Contact: *", "Expires: 0", "Call-ID: there"}, 500, ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)
			d.send("", "Contact: <sip:there@192.0.2.1>;q=0.3", "Call-ID: there")
			before := d.send("").headers
			got := d.send(c.start, c.lines...)
			if got.status != c.status || got.headers != c.headers {
				t.Errorf("got %d %s, %q, want %d, %q", got.status, got.reason, got.headers, c.status, c.headers)
			}
			if after := d.send("").headers; dateLine.ReplaceAllString(after, "") != dateLine.ReplaceAllString(before, "") {
				t.Errorf("the bindings were\n%s\nand are\n%s", before, after)
			}
			if n := d.d.Stats().Bindings; n != 1 {
				t.Errorf("%d bindings are left", n)
			}
		})
	}
}

func contacts(n int) string {
	var list []string
	for i := range n {
		list = append(list, fmt.Sprintf("<sip:%d@192.0.2.1>", i))
	}
	return strings.Join(list, ", ")
}

// What looks like a reason to refuse and is none.
//
// Proves: RG-2, RG-18, RG-23, GR-5
func TestWhatIsNotRefused(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name  string
		start string
		lines []string
		want  string // in the headers
	}{
		{"extensions that are known", "", []string{"Require: path, outbound, GRUU", "Contact: <sip:a@192.0.2.1>"}, "<sip:a@192.0.2.1>"},
		{"Record-Route", "", []string{"Record-Route: <sip:x;lr>", "Contact: <sip:a@192.0.2.1>"}, "<sip:a@192.0.2.1>"},
		{"a Request-URI that names an address", "REGISTER sip:198.51.100.1 SIP/2.0", []string{"Contact: <sip:a@192.0.2.1>"}, "<sip:a@192.0.2.1>"},
		{"a Request-URI that names this server", "REGISTER sip:sip.example.com SIP/2.0", []string{"Contact: <sip:a@192.0.2.1>"}, "<sip:a@192.0.2.1>"},
		{"a mail address", "", []string{"Contact: <mailto:bob@example.com>;expires=60"}, "Contact: <mailto:bob@example.com>;expires=60\r\n"},
		{"a number", "", []string{"Contact: <tel:+31201234567>"}, "<tel:+31201234567>"},
		{"the AOR itself without an instance", "", []string{"Contact: <sip:bob@example.com>"}, "<sip:bob@example.com>"},
		{"the AOR of another user as an instance", "", []string{"Contact: <sip:carol@example.com>;" + instance}, "<sip:carol@example.com>"},
		{"a host of that name that is another URI", "", []string{"Contact: <sip:bob@example.com;transport=tcp>;" + instance}, "<sip:bob@example.com;transport=tcp>"},
		{"removal of what would be refused", "", []string{"Contact: <mailto:bob@example.com>;expires=0;" + instance}, "Supported"},
		{"an instance that is none", "", []string{"Contact: <sip:a@192.0.2.1>;+sip.instance=\"urn:x:y\";reg-id=1"}, `+sip.instance="urn:x:y"`},
		{"sips throughout", "REGISTER sips:example.com SIP/2.0", []string{"Contact: <sips:a@192.0.2.1>, <sip:a@192.0.2.1>;expires=0", "Supported: path", "Path: <sips:p;lr>"}, "<sips:a@192.0.2.1>"},
		{"sip Contact by way of a sips Request-URI", "REGISTER sips:example.com SIP/2.0", []string{"Contact: <sip:a@192.0.2.1>"}, "<sip:a@192.0.2.1>"},
		{"Expires: 0 for each", "", []string{"Contact: <sip:a@192.0.2.1>, <sip:b@192.0.2.1>;expires=60", "Expires: 0"}, "<sip:b@192.0.2.1>;expires=60"},
		{"64 Contacts that go", "", []string{"Contact: " + strings.TrimSuffix(strings.Repeat("<sip:a@192.0.2.1>;expires=0, ", 64), ", ")}, "Supported"},
		{"ten Contacts", "", []string{"Contact: " + contacts(10)}, "<sip:9@192.0.2.1>"},
		{"reg-id of nobody beside another Contact", "", []string{"Contact: <sip:a@192.0.2.1>;reg-id=1, <sip:b@192.0.2.1>"}, "<sip:b@192.0.2.1>"},
		{"folded parameters", "", []string{"Contact: <sip:a@192.0.2.1>;x=\"a\r\n b\"\r\n ;y=z"}, `Contact: <sip:a@192.0.2.1>;x="a b";y=z;expires=3600`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := newDesk(t).send(c.start, c.lines...)
			if got.status != 200 || !strings.Contains(got.headers, c.want) || strings.Contains(got.headers, "Record-Route") {
				t.Errorf("got %d %s\n%s\nwant %q in it", got.status, got.reason, got.headers, c.want)
			}
		})
	}
}

// Where bounds of the directory or its store stand in the way.
//
// Proves: RG-21
func TestErrorsOfTheDirectory(t *testing.T) {
	t.Parallel()
	var r registrar.Registrar
	for err, want := range map[error]int{
		location.ErrTooMany: 403, location.ErrTooLarge: 513, location.ErrFull: 503, location.ErrBusy: 503,
		location.ErrStopped: 503, location.ErrUndone: 500, errors.New("disk full"): 500,
	} {
		if got := r.Failed(fmt.Errorf("wrapped: %w", err)); got.Status != want {
			t.Errorf("%v: got %d, want %d", err, got.Status, want)
		}
	}
	d := newDesk(t)
	d.d.SetLimits(location.Limits{PerAOR: 1})
	if got := d.send("", "Contact: <sip:a@192.0.2.1>, <sip:b@192.0.2.1>"); got.status != 403 {
		t.Errorf("got %+v, want 403", got)
	}
	d.d.SetLimits(location.Limits{BindingBytes: 100})
	if got := d.send("", "Contact: <sip:a@192.0.2.1>;x="+strings.Repeat("y", 100)); got.status != 513 {
		t.Errorf("got %+v, want 513", got)
	}
	if n := len(d.bindings("sip:bob@example.com")); n != 0 {
		t.Errorf("%d bindings after refusals", n)
	}
}

// Proves: PA-10, OB-13
func TestEdge(t *testing.T) {
	t.Parallel()
	flowContact := "Contact: <sip:a@10.0.0.1>;reg-id=1;" + instance
	two := []string{"Via: SIP/2.0/UDP 203.0.113.5;branch=z9hG4bK0", "Via: SIP/2.0/UDP 192.0.2.10;branch=z9hG4bK1"}
	cases := []struct {
		name   string
		lines  []string
		needed bool
		want   registrar.EdgePath
		status int
	}{
		{"supported and needed", []string{"Supported: path"}, true, registrar.EdgePath{Add: true}, 0},
		{"supported, not needed", []string{"Supported: path"}, false, registrar.EdgePath{}, 0},
		{"neither", nil, false, registrar.EdgePath{}, 0},
		{"needed and not supported", nil, true, registrar.EdgePath{}, 421},
		{"the first hop of a flow", []string{"Require: path", flowContact}, false, registrar.EdgePath{Add: true, OB: true}, 0},
		{"the first hop of a flow without path", []string{flowContact}, false, registrar.EdgePath{}, 421},
		{"the second hop of a flow", append(two, "Supported: path", flowContact), true, registrar.EdgePath{Add: true}, 0},
	}
	for _, c := range cases {
		var r registrar.Registrar
		var m sip.Message
		if err := m.Parse(compose("", c.lines...)); err != nil {
			t.Fatal(err)
		}
		got, refused := r.Edge(&m, c.needed)
		status := 0
		if refused != nil {
			status = refused.Status
			if string(refused.Headers) != "Require: path\r\n" {
				t.Errorf("%s: headers %q", c.name, refused.Headers)
			}
		}
		if got != c.want || status != c.status {
			t.Errorf("%s: got %+v, %d, want %+v, %d", c.name, got, status, c.want, c.status)
		}
	}
	value := registrar.AppendPathValue(nil, "sip", []byte("token"), []byte("192.0.2.1:5070"), "tcp", true)
	if want := "<sip:token@192.0.2.1:5070;transport=tcp;lr;ob>"; string(value) != want {
		t.Errorf("got %s, want %s", value, want)
	}
	if value = registrar.AppendPathValue(value[:0], "sips", []byte("token"), []byte("p.example.com"), "", false); string(value) != "<sips:token@p.example.com;lr>" {
		t.Errorf("got %s", value)
	}
}

// What the Begin of one request leaves is nothing to the next.
func TestNothingStaysFromOneRequestToTheNext(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.send("REGISTER sips:example.com SIP/2.0", "Require: x", "Supported: gruu, outbound, path", "Path: <sip:p;lr;ob>", "Contact: <sips:a@192.0.2.1>;reg-id=1;"+instance)
	d.send("", "Contact: *", "Expires: 0")
	got := d.send("", "Contact: <sip:a@192.0.2.1>;"+instance)
	want := "Contact: <sip:a@192.0.2.1>;" + instance + ";expires=3600\r\n"
	if !strings.HasPrefix(got.headers, want) || strings.Contains(got.headers, "Require") || strings.Contains(got.headers, "Path") || strings.Contains(got.headers, "gruu=") {
		t.Errorf("got %+v", got)
	}
	if b := d.bindings("sip:bob@example.com"); len(b) != 1 || b[0].RegID != 0 || len(b[0].Path) != 0 {
		t.Errorf("got %+v", b)
	}
	if slices.ContainsFunc(d.bindings("sip:bob@example.com"), func(b location.Binding) bool { return b.Flow.Protocol != flow.UDP }) {
		t.Error("a flow of nobody")
	}
}
