package transport

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"viaduct/internal/flow"
	"viaduct/sip"
)

// browser opens a WebSocket to h as a browser does. header may be nil.
func (h *hall) browser(cfg *tls.Config, header http.Header, protocols ...string) (*websocket.Conn, *http.Response, error) {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	h.t.Cleanup(cancel)
	pool := &http.Client{Transport: &http.Transport{TLSClientConfig: cfg}}
	h.t.Cleanup(pool.CloseIdleConnections)
	scheme := "ws"
	if cfg != nil {
		scheme = "wss"
	}
	c, r, err := websocket.Dial(ctx, scheme+"://"+h.tcp.Addr().String()+"/", &websocket.DialOptions{Subprotocols: protocols, HTTPHeader: header, HTTPClient: pool})
	if c != nil {
		h.t.Cleanup(func() { _ = c.CloseNow() }) // a test may have done so
	}
	return c, r, err
}

func tell(t testing.TB, c *websocket.Conn, kind websocket.MessageType, text string) {
	t.Helper()
	if err := c.Write(context.Background(), kind, []byte(text)); err != nil {
		t.Fatal(err)
	}
}

func hear(t testing.TB, c *websocket.Conn, kind websocket.MessageType, text string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	c.SetReadLimit(1 << 20)
	got, b, err := c.Read(ctx)
	if err != nil || got != kind || string(b) != text {
		t.Fatalf("got %v %.200q, %v, want %v %.200q", got, b, err, kind, text)
	}
}

// text is a message as a browser sends it: without Content-Length.
func text(n, size int) string {
	return fmt.Sprintf("MESSAGE sip:bob@127.0.0.1 SIP/2.0\r\nCall-ID: %d\r\n\r\n%s", n, strings.Repeat("x", size))
}

// Messages go both ways, one in each WebSocket message, as text or as binary
// where they are none; keepalives of both protocols are answered.
//
// Proves: WS-1, WS-4, WS-5, WS-6, WS-11, WS-12
func TestWebSocket(t *testing.T) {
	t.Parallel()
	v := newVault(t)
	for _, p := range []flow.Protocol{flow.WS, flow.WSS} {
		t.Run(p.String(), func(t *testing.T) {
			t.Parallel()
			use, cfg := Settings{WebSocket: new(WebSocket)}, (*tls.Config)(nil)
			if p == flow.WSS {
				use.TLS, cfg = v.in(t).tls(nil, "example.com"), v.client("example.com")
			}
			h := newHallOf(t, p, use, StreamLimits{}, nil)
			c, r, err := h.browser(cfg, nil, "other", "sip")
			if err != nil {
				t.Fatal(err)
			}
			if got := r.Header.Get("Sec-WebSocket-Protocol"); r.StatusCode != 101 || got != "sip" {
				t.Fatalf("got %d %q", r.StatusCode, got)
			}
			for n, size := range []int{0, 50, 126, 4000, 60_000} {
				tell(t, c, websocket.MessageText, text(n, size))
				hear(t, c, websocket.MessageText, text(n, size))
			}
			tell(t, c, websocket.MessageBinary, text(9, 9)+"\xff")
			hear(t, c, websocket.MessageBinary, text(9, 9)+"\xff")
			tell(t, c, websocket.MessageText, "\r\n\r\n")
			hear(t, c, websocket.MessageText, "\r\n")
			tell(t, c, websocket.MessageText, "\r\n")
			tell(t, c, websocket.MessageText, "")
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
			defer cancel()
			reader := c.CloseRead(ctx)
			if err := c.Ping(ctx); err != nil {
				t.Fatal(err)
			}
			if f := h.from(6); f.Protocol != p || f.Listener != 3 || f.Conn == 0 {
				t.Errorf("it came by %+v", f)
			}
			if err := c.Close(websocket.StatusNormalClosure, "bye"); err != nil {
				t.Error(err)
			}
			<-reader.Done()
			h.until("the end", h.ended(EndPeer, 1))
			if n := h.tcp.Counters(); n.Closes[0][0] != 1 || n.Received != 6 {
				t.Errorf("counted %+v", n)
			}
		})
	}
}

// Proves: WS-1, WS-9
func TestUpgradeIsRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		origins   []string
		header    http.Header
		protocols []string
		status    int
		why       Refusal
	}{
		"no subprotocol":         {nil, nil, nil, 400, RefusedSubprotocol},
		"another subprotocol":    {nil, nil, []string{"SIP", "xmpp"}, 400, RefusedSubprotocol},
		"a foreign page":         {[]string{"https://phone.example"}, http.Header{"Origin": {"https://evil.example"}}, []string{"sip"}, 403, RefusedOrigin},
		"two pages":              {[]string{"https://phone.example"}, http.Header{"Origin": {"https://phone.example", "https://evil.example"}}, []string{"sip"}, 403, RefusedOrigin},
		"a page of another host": {nil, http.Header{"Origin": {"https://phone.example"}}, []string{"sip"}, 403, RefusedOrigin},
		"a page of nowhere":      {nil, http.Header{"Origin": {"null"}}, []string{"sip"}, 403, RefusedOrigin},
		"another version":        {nil, http.Header{"Sec-WebSocket-Version": {"8"}}, []string{"sip"}, 426, RefusedRequest},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHallOf(t, flow.WS, Settings{WebSocket: &WebSocket{Origins: c.origins}}, StreamLimits{}, nil)
			x := h.caller()
			put(t, x, upgradeRequest(c.protocols, c.header))
			r := response(t, x)
			if !strings.HasPrefix(r, fmt.Sprintf("HTTP/1.1 %d ", c.status)) {
				t.Errorf("got %q", r)
			}
			h.until("a count", func() bool { return h.tcp.Counters().Refused[c.why] == 1 })
		})
	}
	for _, origin := range []string{"https://phone.example", "HTTPS://Phone.example"} {
		h := newHallOf(t, flow.WS, Settings{WebSocket: &WebSocket{Origins: []string{"https://phone.example"}}}, StreamLimits{}, nil)
		if _, _, err := h.browser(nil, http.Header{"Origin": {origin}}, "sip"); err != nil {
			t.Errorf("%s: %v", origin, err)
		}
	}
	h := newHallOf(t, flow.WS, Settings{}, StreamLimits{}, nil)
	if _, _, err := h.browser(nil, http.Header{"Origin": {"http://" + h.tcp.Addr().String()}}, "sip"); err != nil {
		t.Errorf("the same host: %v", err)
	}
}

// upgradeRequest is one of HTTP; a header field given replaces the usual one.
func upgradeRequest(protocols []string, header http.Header) string {
	rq := http.Header{
		"Host": {"proxy.example"}, "Upgrade": {"websocket"}, "Connection": {"Upgrade"},
		"Sec-WebSocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="}, "Sec-WebSocket-Version": {"13"},
	}
	if len(protocols) > 0 {
		rq["Sec-WebSocket-Protocol"] = []string{strings.Join(protocols, ", ")}
	}
	for k, list := range header {
		rq[k] = list
	}
	var b strings.Builder
	b.WriteString("GET / HTTP/1.1\r\n")
	_ = rq.Write(&b) // to memory
	return b.String() + "\r\n"
}

// response is all that comes until the end of c.
func response(t testing.TB, c net.Conn) string {
	t.Helper()
	b, err := io.ReadAll(c)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// socketOf is a WebSocket by hand, after its handshake.
func (h *hall) socketOf() net.Conn {
	h.t.Helper()
	c := h.caller()
	put(h.t, c, upgradeRequest([]string{"sip"}, nil))
	want(h.t, c, "HTTP/1.1 101 ")
	b := make([]byte, 1)
	for got := ""; !strings.HasSuffix(got, "\r\n\r\n"); got += string(b) {
		if _, err := io.ReadFull(c, b); err != nil {
			h.t.Fatal(err)
		}
	}
	return c
}

// masked is a frame of a client. first is its first byte.
func masked(first byte, payload string) string {
	b := []byte{first}
	switch n := len(payload); {
	case n < 126:
		b = append(b, 0x80|byte(n))
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, 0x80|126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 0x80|127), uint64(n))
	}
	mask := [4]byte{1, 2, 3, 4}
	b = append(b, mask[:]...)
	for i := range len(payload) {
		b = append(b, payload[i]^mask[i%4])
	}
	return string(b)
}

func plain(op opcode, payload string) string { return string(appendFrame(nil, op, []byte(payload))) }

// A message comes whole in any number of frames, cut anywhere, with control
// frames between them.
//
// Proves: WS-4, WS-6, WS-12
func TestFragments(t *testing.T) {
	t.Parallel()
	h := newHallOf(t, flow.WS, Settings{}, StreamLimits{}, nil)
	c := h.socketOf()
	m := text(1, 5000)
	all := masked(0x01, m[:10]) + masked(0x89, "ping") + masked(0x00, "") + masked(0x00, m[10:4000]) + masked(0x8A, "") + masked(0x80, m[4000:])
	for i := 0; i < len(all); i += 7 {
		put(t, c, all[i:min(i+7, len(all))])
	}
	want(t, c, plain(opPong, "ping"))
	want(t, c, plain(opText, m))
	put(t, c, masked(0x81, text(2, 3))+masked(0x82, text(3, 3))+masked(0x88, "\x03\xe8"))
	want(t, c, plain(opText, text(2, 3))+plain(opText, text(3, 3))+plain(opClose, "\x03\xe8"))
	over(t, c)
}

// What RFC 6455 does not allow, or is too large, ends the WebSocket with the
// status code that says so.
//
// Proves: WS-7, WS-12
func TestBadFrames(t *testing.T) {
	t.Parallel()
	h := newHallOf(t, flow.WS, Settings{}, StreamLimits{}, nil)
	closing := func(code uint16) string { return plain(opClose, string(binary.BigEndian.AppendUint16(nil, code))) }
	for name, c := range map[string]struct{ frames, want string }{
		"unmasked":                      {plain(opText, text(1, 0)), closing(1002)},
		"reserved bit":                  {masked(0xC1, text(1, 0)), closing(1002)},
		"unknown opcode":                {masked(0x83, "x"), closing(1002)},
		"unknown control opcode":        {masked(0x8B, "x"), closing(1002)},
		"a ping in parts":               {masked(0x09, "x"), closing(1002)},
		"a long ping":                   {masked(0x89, strings.Repeat("x", 126)), closing(1002)},
		"a continuation of nothing":     {masked(0x80, "x"), closing(1002)},
		"a message within a message":    {masked(0x01, "x") + masked(0x81, "y"), closing(1002)},
		"a length in too many bytes":    {"\x81\xfe\x00\x05\x01\x02\x03\x04", closing(1002)},
		"a length in far too many":      {"\x81\xff\x00\x00\x00\x00\x00\x00\x00\x7f\x01\x02\x03\x04", closing(1002)},
		"too large":                     {"\x81\xff\x00\x00\x00\x00\x00\x01\x00\x01", closing(1009)},
		"far too large":                 {"\x81\xff\xff\xff\xff\xff\xff\xff\xff\xff", closing(1009)},
		"too large in parts":            {masked(0x01, strings.Repeat("x", sip.MaxMessage)) + masked(0x80, "x"), closing(1009)},
		"text that is none":             {masked(0x81, "\xff"), closing(1007)},
		"text in parts that is none":    {masked(0x01, "\xc3") + masked(0x80, "x"), closing(1007)},
		"half a status code":            {masked(0x88, "\x03"), closing(1002)},
		"a status code for nobody":      {masked(0x88, "\x03\xed"), closing(1002)},
		"a reason that is no text":      {masked(0x88, "\x03\xe8\xff"), closing(1002)},
		"a status code of its own":      {masked(0x88, "\x0f\xa0bye"), closing(4000)},
		"going away":                    {masked(0x88, "\x03\xe9"), closing(1001)},
		"no status code":                {masked(0x88, ""), plain(opClose, "")},
		"a message, then nonsense":      {masked(0x81, text(1, 0)) + "\xff\xff", plain(opText, text(1, 0)) + closing(1002)},
		"a whole message, then a Close": {masked(0x81, text(1, 0)) + masked(0x88, "\x03\xe8"), plain(opText, text(1, 0)) + closing(1000)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x := h.socketOf()
			put(t, x, c.frames)
			if got := response(t, x); got != c.want {
				t.Errorf("got %.100q, want %.100q", got, c.want)
			}
		})
	}
}

// HTTP that is too much, too slow or no request gets no further.
//
// Proves: RB-5
func TestRequestsAreBounded(t *testing.T) {
	t.Parallel()
	h := newHallOf(t, flow.WS, Settings{}, StreamLimits{Handshake: 300 * time.Millisecond}, nil)
	for name, c := range map[string]struct {
		text string
		why  Refusal
	}{
		"too large":         {"GET / HTTP/1.1\r\nX: " + strings.Repeat("x", maxRequest), RefusedRequest},
		"no request":        {streamed(1, 0), RefusedRequest},
		"not for us":        {"GET / HTTP/1.1\r\nHost: a\r\n\r\n", RefusedRequest},
		"bytes too early":   {upgradeRequest([]string{"sip"}, nil) + masked(0x81, text(1, 0)), RefusedRequest},
		"half of a request": {"GET / HTTP/1.1\r\n", RefusedTimeout},
	} {
		x := h.caller()
		before := h.tcp.Counters().Refused[c.why]
		put(t, x, c.text)
		if b, _ := io.ReadAll(x); strings.Contains(string(b), "101") || strings.Contains(string(b), "SIP/2.0") { // or it was reset
			t.Errorf("%s: got %q", name, b)
		}
		h.until(name, func() bool { return h.tcp.Counters().Refused[c.why] == before+1 })
	}
	if len(h.packets()) > 0 {
		t.Error("a message came by")
	}
}

// Files are served beside the WebSocket, those of their directory and no others.
func TestFilesBesideIt(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	page, secret := filepath.Join(dir, "page"), filepath.Join(dir, "secret")
	for path, b := range map[string]string{
		filepath.Join(page, "index.html"): "<p>phone", filepath.Join(page, "js", "sip.js"): "let a", filepath.Join(page, "js", "index.html"): "inner", secret: "secret",
	} {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(b), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(secret, filepath.Join(page, "link")); err != nil {
		t.Fatal(err)
	}
	large, err := os.Create(filepath.Join(page, "large"))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(large.Truncate(maxServed+1), large.Close()); err != nil {
		t.Fatal(err)
	}
	v := newVault(t)
	h := newHallOf(t, flow.WSS, Settings{TLS: v.tls(nil, "example.com"), WebSocket: &WebSocket{Files: page}}, StreamLimits{}, nil)
	for rq, want := range map[string]struct {
		status int
		body   string
		kind   string
	}{
		"GET /":                {200, "<p>phone", "text/html"},
		"GET /index.html?x=1":  {200, "<p>phone", "text/html"},
		"GET /js/sip.js":       {200, "let a", "text/javascript"},
		"GET /js":              {200, "inner", "text/html"},
		"HEAD /":               {200, "", "text/html"},
		"GET /none":            {404, "", ""},
		"GET /../secret":       {404, "", ""},
		"GET /js/../../secret": {404, "", ""},
		"GET /%2e%2e/secret":   {404, "", ""},
		"GET /..%2fsecret":     {404, "", ""},
		"GET /link":            {403, "", ""},
		"GET /large":           {403, "", ""},
		"POST /":               {405, "", ""},
		"DELETE /index.html":   {405, "", ""},
	} {
		c := h.shake(v.client("example.com"))
		put(t, c, rq+" HTTP/1.1\r\nHost: a\r\n\r\n")
		got := response(t, c)
		head, body, _ := strings.Cut(got, "\r\n\r\n")
		if !strings.HasPrefix(head, fmt.Sprintf("HTTP/1.1 %d ", want.status)) || body != want.body || !strings.Contains(head, "Content-Type: "+want.kind) && want.kind != "" {
			t.Errorf("%s: got %q", rq, got)
		}
	}
	if n := h.tcp.Counters(); n.Files != 5 || n.Refused != ([Refusals]uint64{}) {
		t.Errorf("counted %+v", n)
	}
	if _, _, err := h.browser(v.client("example.com"), nil, "sip"); err != nil {
		t.Errorf("no WebSocket beside files: %v", err)
	}
}

// FuzzFrames cuts frames anywhere and holds that the messages in them do not
// depend on it, and that no more is kept than what has arrived.
func FuzzFrames(f *testing.F) {
	f.Add([]byte(masked(0x81, text(1, 10))+masked(0x89, "x")+masked(0x82, text(2, 200))), []byte{1, 3, 200})
	f.Add([]byte(masked(0x01, "MESSAGE ")+masked(0x80, "sip:b SIP/2.0\r\n\r\n")+masked(0x88, "\x03\xe8")), []byte{2})
	f.Add([]byte("\x81\xff\x00\x00\x00\x00\x00\x00\xff\xff"), []byte{0})
	f.Fuzz(func(t *testing.T, stream, cuts []byte) {
		whole, cut := frames(t, stream, nil), frames(t, stream, cuts)
		if !bytes.Equal(bytes.Join(whole, []byte{0}), bytes.Join(cut, []byte{0})) {
			t.Errorf("whole %q, cut %q", whole, cut)
		}
	})
}

// frames feeds frames to a WebSocket, in parts whose lengths cuts tells again and
// again. The last entry is how it has ended.
func frames(t *testing.T, stream, cuts []byte) (all [][]byte) {
	t.Helper()
	s := NewStreams(StreamConfig{Limits: StreamLimits{Connections: 1}, NewTurn: func() func(*Batch) {
		return func(b *Batch) {
			for i := range b.Packets {
				all = append(all, bytes.Clone(b.Packets[i].Wire))
			}
		}
	}})
	c := newConn(s, &TCP{streams: s, protocol: flow.WS})
	c.ws = new(socket)
	l := <-s.lanes
	for i := 0; len(stream) > 0; i++ {
		buffer, before := c.room(l)
		n := min(len(stream), len(buffer)-before)
		if len(cuts) > 0 {
			n = min(n, int(cuts[i%len(cuts)])+1)
		}
		copy(buffer[before:], stream[:n])
		stream = stream[n:]
		if !c.take(l, buffer[:before+n], n) {
			break
		}
		if kept := len(c.pending) + len(c.ws.partial); kept > 2*sip.MaxMessage+14 || cap(c.pending) > max(2*len(c.pending), pendingSmall) && before == 0 {
			t.Fatalf("%d bytes kept in %d", kept, cap(c.pending))
		}
	}
	return append(all, fmt.Append(nil, c.ws.code, c.reason.Load()))
}
