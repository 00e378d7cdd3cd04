package resolve

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"viaduct/internal/flow"
)

const domain = `
full.example 300 NAPTR 50 50 s SIPS+D2T _sips._tcp.full.example
full.example 300 NAPTR 90 50 s SIP+D2T _sip._tcp.full.example
full.example 300 NAPTR 100 50 s SIP+D2U _sip._udp.full.example
_sips._tcp.full.example 300 SRV 0 1 5061 a.full.example
_sip._tcp.full.example 300 SRV 0 1 5070 a.full.example
_sip._udp.full.example 300 SRV 0 1 5080 a.full.example
a.full.example 300 A 192.0.2.1
full.example 300 A 192.0.2.99

sctp.example 300 NAPTR 10 10 s SIP+D2S _sip._sctp.sctp.example
sctp.example 300 NAPTR 20 20 s SIP+D2T _sip._tcp.elsewhere.example
sctp.example 300 NAPTR 20 10 s SIP+D2U _sip._udp.elsewhere.example
_sip._udp.elsewhere.example 300 SRV 0 0 5060 b.elsewhere.example
_sip._tcp.elsewhere.example 300 SRV 0 0 5060 b.elsewhere.example
b.elsewhere.example 300 A 192.0.2.2

odd.example 300 NAPTR 1 1 u E2U+sip _sip._udp.bad.example
odd.example 300 NAPTR 1 1 a SIP+D2U a.full.example
odd.example 300 NAPTR 1 2 s SIP+D2U bad!name
odd.example 300 A 192.0.2.3

srv.example 300 A 192.0.2.99
_sip._udp.srv.example 300 SRV 20 0 5062 late.srv.example
_sip._udp.srv.example 300 SRV 10 0 5061 early.srv.example
_sip._tcp.srv.example 300 SRV 1 0 5063 early.srv.example
_sips._tcp.srv.example 300 SRV 1 0 5064 early.srv.example
early.srv.example 300 A 192.0.2.4
late.srv.example 300 A 192.0.2.5

tcponly.example 300 A 192.0.2.99
_sip._tcp.tcponly.example 300 SRV 1 0 5063 early.srv.example

bare.example 300 A 192.0.2.6
dual.example 300 A 192.0.2.7
dual.example 300 A 192.0.2.8
dual.example 300 AAAA 2001:db8::7

never.example 300 A 192.0.2.9
_sip._udp.never.example 300 SRV 0 0 0 .
_sips._tcp.never.example 300 SRV 0 0 0 .

half.example 300 NAPTR 1 1 s SIP+D2T _sip._tcp.half.example
half.example 300 NAPTR 2 1 s SIP+D2U _sip._udp.srv.example
gone.example 300 NAPTR 1 1 s SIP+D2T _sip._tcp.gone.example
gone.example 300 A 192.0.2.10

holes.example 300 A 192.0.2.99
_sip._udp.holes.example 300 SRV 1 0 5060 nowhere.example
NX nowhere.example
FAIL NAPTR broken.example
broken.example 300 A 192.0.2.11
FAIL SRV _sip._udp.broken2.example
broken2.example 300 A 192.0.2.12
v6only.example 300 AAAA 2001:db8::13
`

// Proves: NH-1, NH-2, NH-3, NH-4, NH-5, NH-10, NH-16, NH-18
func TestWhereAURIGoes(t *testing.T) {
	t.Parallel()
	const udpTCP = "udp4 tcp4"
	for _, c := range []struct {
		name   string
		uri    string // [sips:]host[:port][;transport], in the words of this test
		speaks string
		want   string
		asked  string // all questions, in alphabetical order
	}{
		{"a numeric host needs no DNS and goes by UDP to 5060", "192.0.2.77", udpTCP, "udp:192.0.2.77:5060", ""},
		{"a numeric host keeps its port", "192.0.2.77:5099", udpTCP, "udp:192.0.2.77:5099", ""},
		{"an IPv6 reference is numeric", "[2001:db8::1]", "udp6", "udp:[2001:db8::1]:5060", ""},
		{"a mapped address goes by IPv4", "[::ffff:192.0.2.1]", "udp4 udp6", "udp:192.0.2.1:5060", ""},
		{"a numeric host with transport goes by it", "192.0.2.77;tcp", udpTCP, "tcp:192.0.2.77:5060", ""},
		{"a numeric sips host goes by TLS to 5061", "sips:192.0.2.77", "udp4 tls4", "tls:192.0.2.77:5061", ""},
		{"a numeric host of a family not spoken", "[2001:db8::1]", udpTCP, "nothing here speaks the transport that is asked for", ""},

		{"a port means no NAPTR and no SRV", "srv.example:5090", udpTCP, "udp:192.0.2.99:5090", "A srv.example"},
		{"a port 5060 too", "srv.example:5060", udpTCP, "udp:192.0.2.99:5060", "A srv.example"},
		{"a port and a transport", "srv.example:5090;tcp", udpTCP, "tcp:192.0.2.99:5090", "A srv.example"},
		{"a port and sips", "sips:srv.example:5090", "udp4 tls4", "tls:192.0.2.99:5090", "A srv.example"},
		{"a port, and UDP is not spoken", "srv.example:5090", "tcp4", "tcp:192.0.2.99:5090", "A srv.example"},

		{
			"a transport means its SRV alone", "srv.example;tcp", udpTCP, "tcp:192.0.2.4:5063",
			"A early.srv.example, SRV _sip._tcp.srv.example",
		},
		{
			"a transport without SRV means the default port", "bare.example;tcp", udpTCP, "tcp:192.0.2.6:5060",
			"A bare.example, SRV _sip._tcp.bare.example",
		},
		{
			"transport=tcp of a sips URI is TLS", "sips:srv.example;tcp", "tls4", "tls:192.0.2.4:5064",
			"A early.srv.example, SRV _sips._tcp.srv.example",
		},
		{
			"transport=tls of a sip URI looks for _sips", "srv.example;tls", "tls4", "tls:192.0.2.4:5064",
			"A early.srv.example, SRV _sips._tcp.srv.example",
		},
		{"there is no TLS over UDP", "sips:srv.example;udp", "udp4 tls4", "nothing here speaks the transport that is asked for", ""},
		{"a transport that is not spoken", "srv.example;tcp", "udp4", "nothing here speaks the transport that is asked for", ""},
		{"WebSocket is never located", "srv.example;ws", udpTCP, "nothing here speaks the transport that is asked for", ""},
		{"sips without TLS goes nowhere", "sips:srv.example", udpTCP, "nothing here speaks the transport that is asked for", ""},

		{
			"the first NAPTR record that is spoken", "full.example", udpTCP, "tcp:192.0.2.1:5070",
			"A a.full.example, NAPTR full.example, SRV _sip._tcp.full.example",
		},
		{
			"a sip URI keeps SIPS records when TLS is spoken", "full.example", "udp4 tcp4 tls4", "tls:192.0.2.1:5061",
			"A a.full.example, NAPTR full.example, SRV _sips._tcp.full.example",
		},
		{
			"a sips URI discards SIP records", "sips:full.example", "udp4 tcp4 tls4", "tls:192.0.2.1:5061",
			"A a.full.example, NAPTR full.example, SRV _sips._tcp.full.example",
		},
		{
			"SCTP is passed over, preference decides within an order", "sctp.example", udpTCP, "udp:192.0.2.2:5060",
			"A b.elsewhere.example, NAPTR sctp.example, SRV _sip._udp.elsewhere.example",
		},
		{
			"a sips URI takes none of SIP records", "sips:sctp.example", "udp4 tls4", "no such name",
			"A sctp.example, NAPTR sctp.example, SRV _sips._tcp.sctp.example",
		},
		{
			"NAPTR records of other kinds are none", "odd.example", "udp4", "udp:192.0.2.3:5060",
			"A odd.example, NAPTR odd.example, SRV _sip._udp.odd.example",
		},
		{
			"a NAPTR record without SRV gives way to the next", "half.example", udpTCP, "udp:192.0.2.4:5061 udp:192.0.2.5:5062",
			"A early.srv.example, A late.srv.example, NAPTR half.example, SRV _sip._tcp.half.example, SRV _sip._udp.srv.example",
		},
		{
			"NAPTR records without any SRV still choose the transport", "gone.example", udpTCP, "tcp:192.0.2.10:5060",
			"A gone.example, NAPTR gone.example, SRV _sip._tcp.gone.example",
		},

		{
			"no NAPTR: SRV for each transport, UDP first", "srv.example", udpTCP, "udp:192.0.2.4:5061 udp:192.0.2.5:5062",
			"A early.srv.example, A late.srv.example, NAPTR srv.example, SRV _sip._tcp.srv.example, SRV _sip._udp.srv.example",
		},
		{
			"no NAPTR: what the domain has", "tcponly.example", udpTCP, "tcp:192.0.2.4:5063",
			"A early.srv.example, NAPTR tcponly.example, SRV _sip._tcp.tcponly.example, SRV _sip._udp.tcponly.example",
		},
		{
			"no NAPTR and sips: _sips._tcp", "sips:srv.example", "udp4 tcp4 tls4", "tls:192.0.2.4:5064",
			"A early.srv.example, NAPTR srv.example, SRV _sips._tcp.srv.example",
		},
		{
			"neither NAPTR nor SRV: UDP and 5060", "bare.example", udpTCP, "udp:192.0.2.6:5060",
			"A bare.example, NAPTR bare.example, SRV _sip._tcp.bare.example, SRV _sip._udp.bare.example",
		},
		{
			"neither NAPTR nor SRV and sips: TLS and 5061", "sips:bare.example", "udp4 tls4", "tls:192.0.2.6:5061",
			"A bare.example, NAPTR bare.example, SRV _sips._tcp.bare.example",
		},
		{
			"the target . says no", "never.example;udp", udpTCP, "the domain says that it does not offer SIP",
			"SRV _sip._udp.never.example",
		},
		{
			"a name that does not exist costs one question", "nowhere.example", udpTCP, "no such name",
			"NAPTR nowhere.example",
		},
		{
			"SRV targets that do not exist do not lead to the bare name", "holes.example;udp", udpTCP, "no such name",
			"A nowhere.example, SRV _sip._udp.holes.example",
		},
		{
			"a server that cannot do NAPTR", "broken.example", "udp4", "udp:192.0.2.11:5060",
			"A broken.example, NAPTR broken.example, SRV _sip._udp.broken.example",
		},
		{
			"a server that fails for SRV", "broken2.example;udp", "udp4", "the servers could not answer",
			"SRV _sip._udp.broken2.example",
		},

		{
			"IPv6 and IPv4 in turn", "dual.example:5060", "udp4 udp6",
			"udp:[2001:db8::7]:5060 udp:192.0.2.8:5060 udp:192.0.2.7:5060", "A dual.example, AAAA dual.example",
		},
		{"AAAA is not asked for when IPv6 is not spoken", "dual.example:5060", "udp4 tcp6", "udp:192.0.2.8:5060 udp:192.0.2.7:5060", "A dual.example"},
		{"only what is spoken", "v6only.example:5060", "udp6", "udp:[2001:db8::13]:5060", "AAAA v6only.example"},
		{"no address of a family that is spoken", "v6only.example:5060", "udp4", "the name has no address that can be reached", "A v6only.example"},
		{"case and the last dot do not matter", "BARE.Example.:5060", "udp4", "udp:192.0.2.6:5060", "A bare.example"},
		{"localhost is the loopback", "localhost", "udp4", "udp:127.0.0.1:5060", ""},
		{"below localhost too", "pbx.localhost;tcp", "udp4 tcp4 tcp6", "tcp:[::1]:5060 tcp:127.0.0.1:5060", ""},
		{"nothing is invalid", "no.invalid", "udp4", "the name has no address that can be reached", ""},
		{"the hosts file needs no DNS", "pbx", "udp4", "udp:192.0.2.200:5060", ""},
		{"a name that cannot be asked for", "a..b", "udp4", "no such name", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			z := newZone(t, domain)
			z.replies[Question{"sctp.example", TypeA}] = Reply{Code: CodeNXDomain}
			z.replies[Question{"never.example", TypeNAPTR}] = Reply{}
			hosts, err := parseHosts(strings.NewReader("192.0.2.200 PBX pbx.lan # ours\n"))
			if err != nil {
				t.Fatal(err)
			}
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, z, Config{Hosts: hosts})
				b.ask(t, queryOf(t, c.uri, c.speaks), 1)
				synctest.Wait()
				if got := b.answer(1); got != c.want {
					t.Errorf("%s speaking %s:\ngot  %s\nwant %s", c.uri, c.speaks, got, c.want)
				}
				if got := strings.Join(z.questions(), ", "); got != c.asked {
					t.Errorf("%s speaking %s asked:\ngot  %s\nwant %s", c.uri, c.speaks, got, c.asked)
				}
			})
		})
	}
}

// queryOf reads [sips:]host[:port][;transport].
func queryOf(t testing.TB, uri, speaks string) Query {
	t.Helper()
	q := Query{Speaks: speaking(speaks)}
	uri, q.SIPS = strings.TrimPrefix(uri, "sips:"), strings.HasPrefix(uri, "sips:")
	uri, word, _ := strings.Cut(uri, ";")
	q.Transport = flow.ParseProtocol([]byte(word))
	if i := strings.LastIndexByte(uri, ':'); i > 0 && !strings.HasSuffix(uri, "]") {
		if _, err := fmt.Sscan(uri[i+1:], &q.Port); err != nil {
			t.Fatal(err)
		}
		uri = uri[:i]
	}
	q.Host = []byte(uri)
	return q
}

func TestWalkShowsItsSteps(t *testing.T) {
	t.Parallel()
	z := newZone(t, domain)
	r := New(Config{Exchanger: z, Servers: server1Only}, nil)
	var steps []string
	h, err := r.Walk(context.Background(), queryOf(t, "Full.example", "udp4 tcp4"), func(s Step) {
		line := s.Question.String()
		for _, rec := range s.Records {
			line += " | " + rec.String()
		}
		steps = append(steps, line)
	})
	want := []string{
		`NAPTR full.example | NAPTR 50 50 "s" "SIPS+D2T" "" _sips._tcp.full.example. | NAPTR 90 50 "s" "SIP+D2T" "" _sip._tcp.full.example.` +
			` | NAPTR 100 50 "s" "SIP+D2U" "" _sip._udp.full.example.`,
		"SRV _sip._tcp.full.example | SRV 0 1 5070 a.full.example.",
		"A a.full.example | A 192.0.2.1",
	}
	if got := show(h, err); got != "tcp:192.0.2.1:5070" || !slices.Equal(steps, want) {
		t.Errorf("got %s by\n%s\nwant\n%s", got, strings.Join(steps, "\n"), strings.Join(want, "\n"))
	}
}

// When the flights of a walk outlive its patience, what is there counts.
func TestAddressesThatCameAreUsedWithoutThoseThatDidNot(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		z := newZone(t, domain+"SILENT AAAA bare.example\n")
		b := newBench(t, z, Config{})
		q := queryOf(t, "bare.example:5060", "udp4 udp6")
		b.ask(t, q, 1)
		sleep(b.limits.Budget)
		if got, want := b.answer(1), "udp:192.0.2.6:5060"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		if _, state := b.Cache().Get(b.now().Add(b.limits.Failure), q); state != Stale {
			t.Errorf("half an answer: got state %d after %v, want Stale", state, b.limits.Failure)
		}
	})
}
