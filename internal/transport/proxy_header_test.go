package transport

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net/netip"
	"strings"
	"testing"
	"time"

	"viaduct/internal/flow"
)

// v2 is a header of version 2.
func v2(versionAndCommand, family byte, parts ...[]byte) string {
	body := bytes.Join(parts, nil)
	b := append([]byte(signatureV2), versionAndCommand, family)
	return string(append(binary.BigEndian.AppendUint16(b, uint16(len(body))), body...))
}

func ports(source, destination uint16) []byte {
	return binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(nil, source), destination)
}

func address(s string) []byte { return netip.MustParseAddr(s).AsSlice() }

var proxyHeaders = map[string]struct {
	header string
	want   string // "" is refused, "own" the proxy's own
}{
	"version 1":                  {"PROXY TCP4 192.0.2.9 192.0.2.1 40000 5060\r\n", "192.0.2.9:40000"},
	"version 1, IPv6":            {"PROXY TCP6 2001:db8::9 2001:db8::1 40000 5060\r\n", "[2001:db8::9]:40000"},
	"version 1, unknown":         {"PROXY UNKNOWN\r\n", "own"},
	"version 1, unknown, more":   {"PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n", "own"},
	"another word":               {"PROXY UNKNOWNS\r\n", ""},
	"a bare LF":                  {"PROXY TCP4 192.0.2.9 192.0.2.1 40000 5060\n", ""},
	"a CR in the middle":         {"PROXY TCP4 192.0.2.9\r192.0.2.1 40000 5060\r\n", ""},
	"a short line":               {"PROXY TCP4\r\n\r\n", ""},
	"a line without end":         {"PROXY TCP4 " + strings.Repeat("1", 200), ""},
	"UDP":                        {"PROXY UDP4 192.0.2.9 192.0.2.1 40000 5060\r\n", ""},
	"lower case":                 {"proxy TCP4 192.0.2.9 192.0.2.1 40000 5060\r\n", ""},
	"two spaces":                 {"PROXY TCP4  192.0.2.9 192.0.2.1 40000 5060\r\n", ""},
	"a word more":                {"PROXY TCP4 192.0.2.9 192.0.2.1 40000 5060 x\r\n", ""},
	"another family":             {"PROXY TCP4 2001:db8::9 2001:db8::1 40000 5060\r\n", ""},
	"an octal address":           {"PROXY TCP4 192.0.02.9 192.0.2.1 40000 5060\r\n", ""},
	"a zone":                     {"PROXY TCP6 fe80::1%eth0 fe80::2 40000 5060\r\n", ""},
	"no address":                 {"PROXY TCP4 proxy.example 192.0.2.1 40000 5060\r\n", ""},
	"a port too many":            {"PROXY TCP4 192.0.2.9 192.0.2.1 65536 5060\r\n", ""},
	"a signed port":              {"PROXY TCP4 192.0.2.9 192.0.2.1 +40000 5060\r\n", ""},
	"a port with zeros":          {"PROXY TCP4 192.0.2.9 192.0.2.1 040000 5060\r\n", ""},
	"port 0":                     {"PROXY TCP4 192.0.2.9 192.0.2.1 0 5060\r\n", ""},
	"no source":                  {"PROXY TCP4 0.0.0.0 192.0.2.1 40000 5060\r\n", ""},
	"a multicast source":         {"PROXY TCP4 224.0.0.1 192.0.2.1 40000 5060\r\n", ""},
	"SIP":                        {streamed(1, 0), ""},
	"version 2":                  {v2(0x21, 0x11, address("192.0.2.9"), address("192.0.2.1"), ports(40000, 5060)), "192.0.2.9:40000"},
	"version 2, IPv6":            {v2(0x21, 0x21, address("2001:db8::9"), address("2001:db8::1"), ports(40000, 5060)), "[2001:db8::9]:40000"},
	"version 2, mapped":          {v2(0x21, 0x21, address("::ffff:192.0.2.9"), address("2001:db8::1"), ports(40000, 5060)), "192.0.2.9:40000"},
	"version 2, TLVs":            {v2(0x21, 0x11, address("192.0.2.9"), address("192.0.2.1"), ports(40000, 5060), make([]byte, 300)), "192.0.2.9:40000"},
	"version 2, local":           {v2(0x20, 0x00), "own"},
	"version 2, local, more":     {v2(0x20, 0x11, make([]byte, 12)), "own"},
	"version 2, too short":       {v2(0x21, 0x11, make([]byte, 11)), ""},
	"version 2, UDP":             {v2(0x21, 0x12, address("192.0.2.9"), address("192.0.2.1"), ports(40000, 5060)), ""},
	"version 2, Unix":            {v2(0x21, 0x31, make([]byte, 216)), ""},
	"version 2, another command": {v2(0x22, 0x11, make([]byte, 12)), ""},
	"version 3":                  {v2(0x31, 0x11, make([]byte, 12)), ""},
	"version 2, very long":       {v2(0x21, 0x11, make([]byte, maxV2+1)), ""},
	"version 2, port 0":          {v2(0x21, 0x11, address("192.0.2.9"), address("192.0.2.1"), ports(0, 5060)), ""},
}

func TestProxyHeader(t *testing.T) {
	t.Parallel()
	for name, c := range proxyHeaders {
		r := strings.NewReader(c.header + streamed(7, 0))
		got, err := readProxyHeader(r)
		switch {
		case c.want == "":
			if !errors.Is(err, errProxyHeader) {
				t.Errorf("%s: got %v, %v", name, got, err)
			}
			continue
		case err != nil || c.want == "own" && got.IsValid() || c.want != "own" && got.String() != c.want:
			t.Errorf("%s: got %v, %v, want %s", name, got, err, c.want)
		}
		if rest, err := io.ReadAll(r); err != nil || string(rest) != streamed(7, 0) {
			t.Errorf("%s: left %q, %v", name, rest, err)
		}
	}
}

// FuzzProxyHeader holds that a header is read exactly, whatever stands behind
// it, and that what is accepted names somebody.
func FuzzProxyHeader(f *testing.F) {
	for _, c := range proxyHeaders {
		f.Add([]byte(c.header))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r := bytes.NewReader(b)
		got, err := readProxyHeader(r)
		if err != nil {
			if got.IsValid() || !errors.Is(err, errProxyHeader) && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Fatalf("got %v, %v", got, err)
			}
			return
		}
		if a := got.Addr(); got.IsValid() && (a.IsUnspecified() || a.Is4In6() || a.Zone() != "" || got.Port() == 0) {
			t.Fatalf("got %v", got)
		}
		read := len(b) - r.Len()
		if read > maxV2+16 {
			t.Fatalf("%d bytes", read)
		}
		again, err := readProxyHeader(bytes.NewReader(b[:read]))
		if err != nil || again != got {
			t.Fatalf("alone: %v, %v, want %v", again, err, got)
		}
		if read > 0 {
			if _, err := readProxyHeader(bytes.NewReader(b[:read-1])); err == nil {
				t.Fatal("a byte less would have done")
			}
		}
	})
}

// The source that a proxy tells is where the flow comes from and what is counted;
// whoever is not a proxy cannot tell any.
//
// Proves: RB-5
func TestConnectionsOfAProxy(t *testing.T) {
	t.Parallel()
	loopback := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	v := newVault(t)
	for _, p := range []flow.Protocol{flow.TCP, flow.TLS, flow.WS} {
		t.Run(p.String(), func(t *testing.T) {
			t.Parallel()
			h := newHallOf(t, p, Settings{Proxies: loopback, TLS: v.in(t).tls(nil, "example.com")}, StreamLimits{PerSource: 2}, nil)
			for range 2 {
				c := h.caller()
				put(t, c, "PROXY TCP4 192.0.2.9 192.0.2.1 40000 5060\r\n")
				if p == flow.TCP {
					put(t, c, streamed(1, 0))
					want(t, c, streamed(1, 0))
				}
			}
			if p == flow.TCP {
				if f := h.from(2); f.Remote.String() != "192.0.2.9:40000" || f.Local != h.tcp.Addr() {
					t.Errorf("it came by %+v", f)
				}
			}
			h.until("both", func() bool { return h.tcp.Counters().Open == 2 && h.sourcesOf("192.0.2.9") == 2 })
			third := h.caller()
			put(t, third, "PROXY TCP4 192.0.2.9 192.0.2.1 40001 5060\r\n")
			over(t, third)
			other := h.caller()
			put(t, other, "PROXY TCP4 192.0.2.10 192.0.2.1 40000 5060\r\n")
			h.until("another", func() bool { return h.sourcesOf("192.0.2.10") == 1 })
			none := h.caller()
			put(t, none, streamed(1, 0))
			over(t, none)
			if n := h.tcp.Counters(); n.RefusedSource != 1 || n.Refused[RefusedProxy] != 2 {
				t.Errorf("counted %+v", n)
			}
			_ = other.Close() // its end is waited for
			h.until("nothing counted", func() bool { return h.sourcesOf("192.0.2.10") == 0 })
		})
	}
	// Without a list of proxies the header is what it is to SIP: garbage.
	h := newHall(t, StreamLimits{FirstByte: 200 * time.Millisecond, Message: 200 * time.Millisecond}, nil)
	c := h.caller()
	put(t, c, "PROXY TCP4 192.0.2.9 192.0.2.1 40000 5060\r\n\r\n")
	if b, _ := io.ReadAll(c); bytes.Contains(b, []byte("192.0.2.9")) && h.sourcesOf("192.0.2.9") > 0 {
		t.Errorf("got %q", b)
	}
}

// sourcesOf is how many connections are counted under a source.
func (h *hall) sourcesOf(s string) int {
	h.Streams.mu.Lock()
	defer h.Streams.mu.Unlock()
	return h.sources[netip.MustParseAddr(s)]
}
