package proxy

import (
	"viaduct/internal/flow"
	"viaduct/sip"
)

// RFC 5630 §5.3 and RFC 3261 §26.2.2: what was asked for by a sips URI goes by TLS
// to a sips URI, hop by hop, and nothing turns one kind of URI into the other.

// takes reports whether requests for a scheme can go anywhere from here: sips
// needs a listener that is secure.
func (s *Snapshot) takes(scheme sip.Scheme) bool {
	switch scheme {
	case sip.SIP:
		return true
	case sip.SIPS:
		for i := range s.Listeners {
			if l := &s.Listeners[i]; l.Protocol.Secure() && !l.Gone {
				return true
			}
		}
	}
	return false
}

// asked is the scheme of the Request-URI before it had a target.
func (w *way) asked(m *sip.Message) sip.Scheme {
	if w.uri != nil {
		if u, err := sip.ParseURI(w.uri); err == nil {
			return u.Scheme
		}
	}
	if u, err := m.URI(); err == nil {
		return u.Scheme
	}
	return sip.OtherScheme
}

// keepScheme holds the Request-URI of a copy against the one that was asked for.
// A sips request takes no sip target (480). A sip request for a sips target stays
// sip and goes by TLS all the same.
func (e *edits) keepScheme(text *[]byte) int {
	asked := e.way.asked(e.m)
	e.secure = asked == sip.SIPS || e.uri.Scheme == sip.SIPS
	switch {
	case asked == sip.SIPS && e.uri.Scheme != sip.SIPS:
		return 480
	case asked != sip.SIP || e.uri.Scheme != sip.SIPS:
		return 0
	}
	full := e.setURI
	*text = append(append((*text)[:0:0], "sip"...), full[len("sips"):]...)
	u, err := sip.ParseURI(*text)
	if err != nil {
		return 500
	}
	e.uri, e.setURI = u, *text
	return 0
}

// showsSIPS reports whether our own values in this copy are sips URIs (§16.6 step 4):
// the Request-URI is one, or the topmost Route value.
func (e *edits) showsSIPS() bool {
	return e.uri.Scheme == sip.SIPS || e.hasRoute && e.route.Scheme == sip.SIPS
}

// secured is the hop of a copy that must go by TLS, if it does.
func (e *edits) secured(hop flow.Hop, status int) (flow.Hop, int) {
	if status == 0 && e.secure && !hop.Protocol.Secure() {
		return flow.Hop{}, 480
	}
	return hop, status
}

// sipsWarning goes with the 480 of a sips request that found sip targets only.
var sipsWarning = []byte("Warning: 380 proxy \"SIPS Not Allowed\"\r\n")
