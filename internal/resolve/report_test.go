package resolve

import (
	"encoding/json"
	"errors"
	"net/netip"
	"strings"
	"testing"

	"viaduct/internal/flow"
	"viaduct/sip"
)

func TestQueryOfAURI(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		uri  string
		want Query
		err  error
	}{
		{uri: "sip:bob@example.com", want: Query{Host: []byte("example.com")}},
		{uri: "sips:example.com:5071", want: Query{Host: []byte("example.com"), Port: 5071, SIPS: true}},
		{uri: "sip:example.com;transport=TCP;maddr=192.0.2.1", want: Query{Host: []byte("192.0.2.1"), Transport: flow.TCP}},
		{uri: "sip:example.com;transport=sctp", err: ErrNoProtocol},
		{uri: "tel:+331", err: ErrNoName},
	} {
		uri, err := sip.ParseURI([]byte(c.uri))
		if err != nil {
			t.Fatal(err)
		}
		got, err := QueryOf(&uri, everything)
		if !errors.Is(err, c.err) {
			t.Errorf("%s: got error %v, want %v", c.uri, err, c.err)
		}
		c.want.Speaks = everything
		if err == nil && string(got.AppendTo(nil)) != string(c.want.AppendTo(nil)) {
			t.Errorf("%s: got %+v, want %+v", c.uri, got, c.want)
		}
	}
}

// The report shows each question with its answer, what is not there, and the hops
// by priority, the heaviest of one priority first.
func TestReport(t *testing.T) {
	t.Parallel()
	z := newZone(t, `
		example.com 60 NAPTR 10 1 s SIP+D2T _sip._tcp.example.com
		_sip._tcp.example.com 300 SRV 20 0 5060 spare.example.com
		_sip._tcp.example.com 300 SRV 10 20 5060 a.example.com
		_sip._tcp.example.com 300 SRV 10 80 5061 b.example.com
		a.example.com 300 A 192.0.2.1
		b.example.com 300 A 192.0.2.2
		spare.example.com 300 A 192.0.2.3
		NX gone.example.com`)
	r := New(Config{Servers: []netip.AddrPort{server1}, Exchanger: z}, nil)
	report, err := r.Report(t.Context(), Query{Host: []byte("example.com"), Speaks: speaking("udp4 tcp4")})
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	if _, err := report.WriteTo(&text); err != nil {
		t.Fatal(err)
	}
	const want = `NAPTR example.com
  example.com.  60s  NAPTR 10 1 "s" "SIP+D2T" "" _sip._tcp.example.com.

SRV _sip._tcp.example.com
  _sip._tcp.example.com.  300s  SRV 20 0 5060 spare.example.com.
  _sip._tcp.example.com.  300s  SRV 10 20 5060 a.example.com.
  _sip._tcp.example.com.  300s  SRV 10 80 5061 b.example.com.

A a.example.com
  a.example.com.  300s  A 192.0.2.1

A b.example.com
  b.example.com.  300s  A 192.0.2.2

A spare.example.com
  spare.example.com.  300s  A 192.0.2.3

priority  weight  transport  address         target
10        80      tcp        192.0.2.2:5061  b.example.com
10        20      tcp        192.0.2.1:5060  a.example.com
20        0       tcp        192.0.2.3:5060  spare.example.com
`
	if text.String() != want {
		t.Errorf("got\n%s\nwant\n%s", text.String(), want)
	}

	report, err = r.Report(t.Context(), Query{Host: []byte("gone.example.com"), Speaks: everything})
	if !errors.Is(err, ErrNoName) {
		t.Errorf("got %v, want %v", err, ErrNoName)
	}
	got, err := json.Marshal(report)
	if err != nil {
		t.Fatal(err)
	}
	const wantJSON = `{"host":"gone.example.com","servers":["192.0.2.53:53"],"known":false,` +
		`"steps":[{"name":"gone.example.com","type":"NAPTR","error":"no such name","ttl":60}],` +
		`"hops":[],"error":"no such name: NAPTR gone.example.com"}`
	if string(got) != wantJSON {
		t.Errorf("got  %s\nwant %s", got, wantJSON)
	}
}

func TestReportOfWhatNeedsNoQuestion(t *testing.T) {
	t.Parallel()
	hosts, err := parseHosts(strings.NewReader("192.0.2.9 pbx"))
	if err != nil {
		t.Fatal(err)
	}
	r := New(Config{Hosts: hosts}, nil)
	for host, want := range map[string]string{"PBX": "192.0.2.9:5061", "192.0.2.8": "192.0.2.8:5061"} {
		report, err := r.Report(t.Context(), Query{Host: []byte(host), SIPS: true, Speaks: Everything()})
		if err != nil || !report.Known || len(report.Steps) != 0 || len(report.Hops) != 1 ||
			report.Hops[0].Address.String() != want || report.Hops[0].Transport != "tls" {
			t.Errorf("%s: got %+v, %v; want known, tls %s", host, report, err, want)
		}
	}
}
