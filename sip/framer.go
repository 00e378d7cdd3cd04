package sip

import "bytes"

// Framer cuts a byte stream into messages (RFC 3261 §18.3, RFC 5626 §4.4.1). The
// zero Framer is ready; it belongs to one connection.
type Framer struct {
	seen  int // bytes of buf already searched for the end of the header part
	total int // length of the message once its header part has been read, 0: not yet
	fault SyntaxError
}

// FrameKind says what Framer.Next found.
type FrameKind uint8

// What Framer.Next can find.
const (
	NeedMore  FrameKind = iota // no whole message yet
	FrameMsg                   // buf[:n] is a message
	FramePing                  // CRLFCRLF: answer CRLF
	FramePong                  // a single CRLF
	FrameBad                   // the stream cannot be framed: 400 if it can be addressed, then close
)

// Next looks at the bytes that have arrived and were not consumed; n is how many
// to consume (for FrameBad: those that hold the header part, to build the 400
// from). After NeedMore the next buf must begin with the same bytes. The Framer
// keeps how far it has searched, so that a message in 1-byte writes costs linear
// time. err is set with FrameBad: a *SyntaxError owned by f.
//
// A CRLF at the end of buf is NeedMore, because the next byte decides between
// FramePing and FramePong.
func (f *Framer) Next(buf []byte) (kind FrameKind, n int, err error) {
	if f.total == 0 {
		if len(buf) == 0 {
			return NeedMore, 0, nil
		}
		if f.seen == 0 && (buf[0] == '\r' || buf[0] == '\n') {
			return f.lineEnds(buf)
		}
		if kind, n, err = f.header(buf); kind != FrameMsg {
			return kind, n, err
		}
	}
	if len(buf) < f.total {
		return NeedMore, 0, nil
	}
	n, f.total, f.seen = f.total, 0, 0
	return FrameMsg, n, nil
}

// lineEnds tells the keepalives that stand before a start line.
func (f *Framer) lineEnds(buf []byte) (FrameKind, int, error) {
	const ping = "\r\n\r\n"
	n := 0
	for n < len(buf) && n < len(ping) && buf[n] == ping[n] {
		n++
	}
	switch {
	case n == len(ping):
		return FramePing, n, nil
	case n == len(buf):
		return NeedMore, 0, nil
	case n == 2 || n == 3: // CRLF, and then something else than CRLF
		return FramePong, 2, nil
	}
	return f.bad(400, n+1, "Bad Start Line")
}

// header looks for the end of the header part and reads Content-Length in it.
// It returns FrameMsg when f.total is known.
func (f *Framer) header(buf []byte) (FrameKind, int, error) {
	limit := min(len(buf), MaxHeaderPart)
	from := max(f.seen-len(headerEnd)+1, 0)
	at := bytes.Index(buf[from:limit], headerEnd)
	if at < 0 {
		f.seen = limit
		if limit == MaxHeaderPart {
			return f.bad(513, limit, "Header Part Too Large")
		}
		return NeedMore, 0, nil
	}
	end := from + at + len(headerEnd)
	n, what := contentLength(buf[:end])
	switch {
	case what != "":
		return f.bad(400, end, what)
	case n > uint64(MaxMessage-end):
		return f.bad(513, end, "Message Too Large")
	}
	f.total = end + int(n)
	return FrameMsg, 0, nil
}

var headerEnd = []byte("\r\n\r\n")

func (f *Framer) bad(status, n int, what string) (FrameKind, int, error) {
	f.fault = SyntaxError{Status: status, Offset: n, What: what}
	return FrameBad, n, &f.fault
}

// contentLength finds the one Content-Length of a whole header part. RFC 3261
// §18.3: on a stream it has to be there. Names are read as in Parse, so that both
// see the same field.
func contentLength(b []byte) (n uint64, what string) {
	found := false
	i, _ := lineEnd(b, 0)
	for i += 2; ; {
		end, _ := lineEnd(b, i)
		if end <= i { // the empty line
			break
		}
		j := span(b[:end], i, clToken)
		v := j
		for isWSP(b[v]) {
			v++
		}
		if j > i && b[v] == ':' && lookupHeader(b, i, j-i) == ContentLength {
			if found {
				return 0, doubled[ContentLength]
			}
			found = true
			from, to := trimLWS(b, v+1, end)
			var ok bool
			if n, ok = number(b[from:to], 1<<32-1); !ok {
				return 0, "Bad Content-Length"
			}
		}
		i = end + 2
	}
	if !found {
		return 0, "Missing Content-Length"
	}
	return n, ""
}
