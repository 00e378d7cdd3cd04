package registrar

import (
	"math/bits"
	"time"

	"viaduct/internal/clock"
	"viaduct/internal/flow"
	"viaduct/internal/location"
	"viaduct/sip"
)

// KeepaliveEvery is the time between two keepalives into one flow. NATs forget a
// silent UDP mapping after 30 s and more (RFC 4787 §4.3 wants minutes, and is not
// what is built); RFC 5626 §4.4.1 has clients ping UDP flows every 24 to 29 s.
const KeepaliveEvery = 25 * time.Second

// Empty is the keepalive without an answer: empty lines before a message mean
// nothing (RFC 3261 §7.5).
var Empty = []byte("\r\n\r\n")

// Keepalives walks the directory round after round, so that each binding that is
// kept open is met once a round and the sending is spread over all of it. It
// keeps nothing but where it is: what comes, goes or moves is seen when the walk
// passes. One serves a whole server; the zero value is ready.
//
//	0 s ├──────────────●───────────────────────┤ 25 s    the share of the round that
//	    └ all bindings ┴ how far this round is          is over, of the directory
type Keepalives struct {
	Late uint64 // rounds that took longer than their time, because of the bound

	began clock.Instant
	at    location.Cursor
}

// Due hands out the bindings whose time has come, at most about most of them, and
// reports whether more are due already. Their flow is where a keepalive goes;
// ByOptions says which. see runs under a leaf lock: it is short and keeps nothing.
func (k *Keepalives) Due(now clock.Instant, d *location.Directory, most int, see func(b *location.Binding)) (more bool) {
	if k.began == 0 {
		k.began = now
	}
	left := most
	counted := func(b *location.Binding) { left--; see(b) }
	if now.Sub(k.began) >= KeepaliveEvery {
		k.at = d.Kept(now, k.at, location.Whole, left, counted)
		if left <= 0 {
			return true
		}
		k.at, k.began = 0, k.began.Add(KeepaliveEvery)
		if now.Sub(k.began) >= KeepaliveEvery {
			k.Late++
			k.began = now
		}
	}
	k.at = d.Kept(now, k.at, share(now.Sub(k.began)), left, counted)
	return left <= 0
}

// share is which part of a round is over.
func share(elapsed time.Duration) location.Share {
	hi, lo := bits.Mul64(uint64(elapsed), uint64(location.Whole))
	part, _ := bits.Div64(hi, lo, uint64(KeepaliveEvery))
	return location.Share(part)
}

// OptionsBranch begins the branch of an OPTIONS that keeps a flow open. No branch of
// a transaction begins so.
const OptionsBranch = "z9hG4bKalive."

// Options says how an OPTIONS that keeps a flow open shows its sender.
type Options struct {
	Protocol flow.Protocol
	SentBy   []byte // host[:port] of our Via
	Branch   []byte // from OptionsBranch on
	Tag      []byte // of From
	CallID   []byte
	From     []byte // URI
}

// AppendOptions appends an OPTIONS to the Contact of b (RFC 3261 §11). Its answer
// shows that the phone is there, and nobody waits for it.
func AppendOptions(dst []byte, b *location.Binding, o *Options) []byte {
	dst = append(dst, "OPTIONS "...)
	if u, err := sip.ParseURI(b.Contact); err == nil {
		dst = u.AppendRequestURI(dst)
	} else {
		dst = append(dst, b.Contact...)
	}
	dst = append(append(dst, " SIP/2.0\r\nVia: SIP/2.0/"...), o.Protocol.String()...)
	dst = append(append(append(dst, ' '), o.SentBy...), ";rport;branch="...)
	dst = append(append(dst, o.Branch...), "\r\nMax-Forwards: 70\r\nFrom: <"...)
	dst = append(append(append(dst, o.From...), ">;tag="...), o.Tag...)
	dst = append(append(dst, "\r\nTo: <"...), b.Contact...)
	dst = append(append(dst, ">\r\nCall-ID: "...), o.CallID...)
	return append(dst, "\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"...)
}
