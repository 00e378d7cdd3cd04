package sip

import (
	"net/netip"
	"strconv"
)

// stamp is what a server changes in the top Via of a request that it received:
// parameters to cut and a text to put at the end of the value. Positions are
// offsets into the wire.
type stamp struct {
	cuts [2]span2
	n    int // cuts in use
	at   int // where text goes
	text [96]byte
	size int
}

type span2 struct{ pos, end int }

// stampFor computes the stamp for a request that came from src.
//
// RFC 3261 §18.2.1: received is added when sent-by has a name or another address
// than the source. RFC 3581 §4: an rport is given the source port, and received is
// then added in any case. Whatever the sender wrote there itself is not believed.
func (v *ViaValue) stampFor(src netip.AddrPort) (st stamp) {
	at := v.Value.Pos + len(v.Value.Text) - len(v.Params)
	it := v.Params.eachAndOurs()
	for it.Next() {
		if st.n < len(st.cuts) && (equalFold(it.Name, "received") || equalFold(it.Name, "rport")) {
			st.cuts[st.n] = span2{at + it.start, at + it.pos}
			st.n++
		}
	}
	st.at = at + it.pos // the end of the value, or of what is sound in it
	addr := src.Addr().Unmap().WithZone("")
	sentBy, literal := HostAddr(v.Host)
	if literal && sentBy.Unmap() == addr && !v.HasRPort {
		return st
	}
	// RFC 3261 §25.1: received carries an IPv6 address without brackets.
	b := addr.AppendTo(append(st.text[:0], ";received="...))
	if v.HasRPort {
		b = strconv.AppendUint(append(b, ";rport="...), uint64(src.Port()), 10)
	}
	st.size = len(b)
	return st
}

// appendStamped appends wire[from:to] with the stamp worked in.
func (st *stamp) appendStamped(dst, wire []byte, from, to int) []byte {
	for _, c := range st.cuts[:st.n] {
		dst = append(dst, wire[from:c.pos]...)
		from = c.end
	}
	dst = append(dst, wire[from:st.at]...)
	dst = append(dst, st.text[:st.size]...)
	return append(dst, wire[st.at:to]...)
}
