package transport

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/gobwas/ws"

	"viaduct/internal/flow"
)

// WebSocket says who may open one and what else is served beside it: immutable.
type WebSocket struct {
	// Origins are the pages that may (RFC 6455 §10.2), as "https://phone.example.com";
	// "*" is any. Without any it is the pages of the same host. A client that names no
	// page is no browser, and is let in.
	Origins []string
	Files   string // directory of files for GET, "" for none

	// Cookie names the session cookie that the page has of its server, "" for none
	// (RFC 7118 §7). Session: without one no WebSocket is opened.
	Cookie  string
	Session bool
}

// maxSession is the longest value of a session cookie that counts as one.
const maxSession = 512

// maxRequest is the largest header part of an HTTP request.
const maxRequest = 8 << 10

var errServed = errors.New("transport: a file was served")

// upgrade reads the HTTP request that a WebSocket begins with (RFC 6455 §4.2) and
// answers it. Anything else that can be answered is a request for a file, or
// refused; then the connection is over.
func (c *Conn) upgrade(stream net.Conn, use *WebSocket) error {
	if use == nil {
		use = new(WebSocket)
	}
	head, err := readHead(stream)
	if err != nil {
		return err
	}
	rq, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(head)))
	if err != nil {
		return refuseHTTP(stream, http.StatusBadRequest, "", RefusedRequest, "malformed request")
	}
	if !hasToken(rq.Header["Upgrade"], "websocket") {
		return c.serveFile(stream, use, rq)
	}
	session := use.session(rq)
	switch {
	case rq.ContentLength != 0 || len(rq.TransferEncoding) > 0: // a GET has no body, and whoever is between us may see one
		return refuseHTTP(stream, http.StatusBadRequest, "", RefusedRequest, "a body")
	case !hasExactToken(rq.Header["Sec-Websocket-Protocol"], "sip"):
		return refuseHTTP(stream, http.StatusBadRequest, "", RefusedSubprotocol, `subprotocol "sip" is not offered`)
	case !use.allows(rq):
		return refuseHTTP(stream, http.StatusForbidden, "", RefusedOrigin, fmt.Sprintf("origin %.100q", rq.Header.Get("Origin")))
	case use.Session && session == "":
		// RFC 9110 §11.6.1: a 401 says what is missing.
		challenge := fmt.Sprintf("WWW-Authenticate: Cookie realm=\"sip\", cookie-name=%q\r\n", use.Cookie)
		return refuseHTTP(stream, http.StatusUnauthorized, challenge, RefusedSession, "no session cookie")
	}
	up := ws.Upgrader{ReadBufferSize: maxRequest, Protocol: func(p []byte) bool { return string(p) == "sip" }}
	if _, err := up.Upgrade(headOf{bytes.NewReader(head), stream}); err != nil {
		return &refusal{RefusedRequest, err} // it was answered
	}
	c.ws = new(socket)
	c.flow.Session = flow.MakeSession(session)
	return nil
}

// session is the value of the session cookie of a request, "" for none. Of several the
// first is that of the closest path (RFC 6265 §5.4).
func (w *WebSocket) session(rq *http.Request) string {
	if w.Cookie == "" {
		return ""
	}
	cookie, err := rq.Cookie(w.Cookie)
	if err != nil || len(cookie.Value) > maxSession {
		return ""
	}
	return cookie.Value
}

// headOf reads the head of a request and writes the response to it.
type headOf struct {
	io.Reader
	io.Writer
}

// readHead reads up to the empty line that ends a header part. A client sends
// nothing behind it before it has the answer (RFC 6455 §4.1).
func readHead(r io.Reader) ([]byte, error) {
	b := make([]byte, 0, 1<<10)
	for {
		if len(b) == cap(b) {
			if len(b) >= maxRequest {
				return nil, &refusal{RefusedRequest, errors.New("the header part is too large")}
			}
			b = append(make([]byte, 0, min(2*cap(b), maxRequest)), b...)
		}
		n, err := r.Read(b[len(b):cap(b)])
		from := max(len(b)-3, 0)
		b = b[:len(b)+n]
		if at := bytes.Index(b[from:], []byte("\r\n\r\n")); at >= 0 {
			if from+at+4 < len(b) {
				return nil, &refusal{RefusedRequest, errors.New("bytes behind the request")}
			}
			return b, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// refuseHTTP answers a request that is not granted.
func refuseHTTP(w io.Writer, status int, extra string, why Refusal, what string) error {
	_, err := io.WriteString(w, responseHead(status, "", 0, extra)+"\r\n")
	return &refusal{why, errors.Join(errors.New(what), err)}
}

// responseHead is a status line and header fields, without the empty line.
func responseHead(status int, kind string, size int64, extra string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "HTTP/1.1 %d %s\r\nContent-Length: %d\r\nConnection: close\r\nX-Content-Type-Options: nosniff\r\n", status, http.StatusText(status), size)
	if kind != "" {
		fmt.Fprintf(&b, "Content-Type: %s\r\n", kind)
	}
	b.WriteString(extra)
	return b.String()
}

// allows reports whether the page that a request comes from may open a WebSocket.
func (w *WebSocket) allows(rq *http.Request) bool {
	origins := rq.Header["Origin"]
	if len(origins) == 0 {
		return true
	}
	if len(origins) > 1 {
		return false
	}
	if len(w.Origins) == 0 {
		u, err := url.Parse(origins[0])
		return err == nil && u.Host != "" && strings.EqualFold(u.Host, rq.Host)
	}
	for _, o := range w.Origins {
		if o == "*" || strings.EqualFold(o, origins[0]) {
			return true
		}
	}
	return false
}

// hasToken finds a token in a list of lists, without regard to case.
func hasToken(lines []string, token string) bool {
	for _, line := range lines {
		for word := range strings.SplitSeq(line, ",") {
			if strings.EqualFold(strings.Trim(word, " \t"), token) {
				return true
			}
		}
	}
	return false
}

// hasExactToken is hasToken with regard to case.
func hasExactToken(lines []string, token string) bool {
	for _, line := range lines {
		for word := range strings.SplitSeq(line, ",") {
			if strings.Trim(word, " \t") == token {
				return true
			}
		}
	}
	return false
}
