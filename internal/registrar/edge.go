package registrar

import "viaduct/sip"

// This file is for a REGISTER that goes on to another registrar: RFC 3327 §5.2 and
// RFC 5626 §5.1.

// EdgePath is what an edge proxy adds to a REGISTER that it passes on.
type EdgePath struct {
	Add bool // a Path value with a flow token on top, and Require: path
	OB  bool // with ob: this is the first hop, and the client registers a flow
}

// Edge tells whether a Path is added. needed says that the registrar could not
// reach the client otherwise, as behind a NAT or over a stream. A client that does
// not support Path gets none behind its back; if it must have one: 421 (RFC 3327
// §5.2). It ends with nil when the request may go on; the refusal is valid until
// the next Begin or Edge.
func (r *Registrar) Edge(m *sip.Message, needed bool) (EdgePath, *Refusal) {
	r.m, r.supports = m, 0
	for it := m.Values(sip.Supported); it.Next(); {
		r.supports |= tagOf(it.Value.Text)
	}
	for it := m.Values(sip.Require); it.Next(); {
		r.supports |= tagOf(it.Value.Text)
	}
	it := m.Values(sip.Via)
	firstHop := it.Next() && !it.Next()
	// RFC 5626 §5.1: the first hop of a flow either adds itself or refuses.
	ob := firstHop && registersFlow(m)
	switch {
	case r.supports&tagPath != 0:
		return EdgePath{Add: needed || ob, OB: ob}, nil
	case needed || ob:
		return EdgePath{}, r.refuse(421, "").with([]byte("Require: path\r\n"))
	}
	return EdgePath{}, nil
}

func registersFlow(m *sip.Message) bool {
	for it := m.Values(sip.Contact); it.Next(); {
		if a, err := sip.ParseAddress(it.Value.Text); err == nil && a.Params.Has("reg-id") {
			return true
		}
	}
	return false
}

// AppendPathValue appends a Path value of ours: scheme is sip or sips; token is the
// user part, a signed flow token; sentBy is host[:port] of the listener; transport
// is "" when the default of the URI leads there.
func AppendPathValue(dst []byte, scheme string, token, sentBy []byte, transport string, ob bool) []byte {
	dst = append(append(append(dst, '<'), scheme...), ':')
	dst = append(append(dst, token...), '@')
	dst = append(dst, sentBy...)
	if transport != "" {
		dst = append(append(dst, ";transport="...), transport...)
	}
	dst = append(dst, ";lr"...)
	if ob {
		dst = append(dst, ";ob"...)
	}
	return append(dst, '>')
}
