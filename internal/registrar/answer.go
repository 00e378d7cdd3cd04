package registrar

import (
	"strconv"
	"time"

	"viaduct/internal/clock"
	"viaduct/internal/location"
	"viaduct/sip"
)

// supported are the extensions that every 200 names. RFC 5627 §5.2: not gruu.
const supported = "Supported: path, outbound\r\n"

// AppendOK appends the header lines of the 200: RFC 3261 §10.3 step 8. The request is
// the one that Begin has read last; where a commit lies between the two, others may
// have been read meanwhile, so that the caller has it read again. bindings are all
// that the AOR has now.
func (r *Registrar) AppendOK(dst []byte, now clock.Instant, s *Settings, bindings []location.Binding) []byte {
	gruus := r.supports&tagGRUU != 0 && !s.NoGRUU
	for i := range bindings {
		if b := &bindings[i]; b.Expires > now {
			dst = r.appendContact(dst, now, b, bindings, gruus)
		}
	}
	if r.m.Has(sip.Path) { // RFC 3327 §5.3: so that the client sees who stands between
		r.path = appendPath(r.path[:0], r.m)
		dst = append(append(append(dst, "Path: "...), r.path...), "\r\n"...)
	}
	if s.ServiceRoute != "" {
		dst = append(append(append(dst, "Service-Route: "...), s.ServiceRoute...), "\r\n"...)
	}
	dst = append(dst, supported...)
	if r.flows && r.supports&tagOutbound != 0 { // RFC 5626 §6
		dst = append(dst, "Require: outbound\r\n"...)
		if s.FlowTimer > 0 {
			dst = append(appendSeconds(append(dst, "Flow-Timer: "...), s.FlowTimer), "\r\n"...)
		}
	}
	return r.date.append(dst, now)
}

// dateLine is the Date header line of the second that began with since.
type dateLine struct {
	since clock.Instant
	text  []byte
}

// append appends it as of now. It is written once a second, not once a request.
func (d *dateLine) append(dst []byte, now clock.Instant) []byte {
	if passed := now.Sub(d.since); len(d.text) == 0 || passed < 0 || passed >= time.Second {
		wall := clock.Wall(now)
		d.since = now.Add(-time.Duration(wall.Nanosecond()))
		d.text = append(wall.UTC().AppendFormat(append(d.text[:0], "Date: "...), dateFormat), "\r\n"...)
	}
	return append(dst, d.text...)
}

// dateFormat is that of RFC 3261 §20.17: RFC 1123, and GMT by name.
const dateFormat = "Mon, 02 Jan 2006 15:04:05 GMT"

// appendContact appends one binding as it was registered, with the time that it
// has left. The GRUUs have the scheme of the Contact (RFC 5630 §5.2.1).
func (r *Registrar) appendContact(dst []byte, now clock.Instant, b *location.Binding, all []location.Binding, gruus bool) []byte {
	dst = append(append(append(dst, "Contact: <"...), b.Contact...), '>')
	if b.Q != defaultQ {
		dst = appendQ(append(dst, ";q="...), b.Q)
	}
	dst = append(dst, b.Params...)
	dst = appendSeconds(append(dst, ";expires="...), b.Expires.Sub(now))
	if gruus && len(b.Instance) > 0 {
		scheme := "sip:"
		if len(b.Contact) > 4 && is(b.Contact[:5], "sips:") {
			scheme = "sips:"
		}
		dst = appendPublic(append(append(dst, `;pub-gruu="`...), scheme...), r.aor, b)
		dst = append(dst, '"')
		dst = r.appendTemporary(dst, scheme, latestOf(b, all))
	}
	return append(dst, "\r\n"...)
}

// latestOf is the binding of b's instance that was refreshed last: its REGISTER
// made the newest temporary GRUU of them all (RFC 5627 §5.2).
func latestOf(b *location.Binding, all []location.Binding) *location.Binding {
	for i := range all {
		if o := &all[i]; string(o.Instance) == string(b.Instance) && moreRecent(o, b) {
			b = o
		}
	}
	return b
}

// appendQ appends thousandths as a qvalue, without zeros at its end.
func appendQ(dst []byte, q uint16) []byte {
	dst = append(dst, byte('0'+q/1000))
	if q %= 1000; q != 0 {
		dst = append(dst, '.')
	}
	for unit := uint16(100); q != 0; unit /= 10 {
		dst = append(dst, byte('0'+q/unit))
		q %= unit
	}
	return dst
}

// appendSeconds appends d in whole seconds, rounded up.
func appendSeconds(dst []byte, d time.Duration) []byte {
	return strconv.AppendInt(dst, int64((d+time.Second-1)/time.Second), 10)
}
