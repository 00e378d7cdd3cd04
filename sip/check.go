package sip

// Check is RFC 3261 §16.3 step 1: all headers that a proxy needs are present and
// parse. For a request: Request-URI, To, From, Call-ID, CSeq with the method of
// the start line, every Via and Route value, Max-Forwards and Max-Breadth where
// present; nothing else, since damage elsewhere is not a proxy's business. For a
// response: top Via, CSeq, Call-ID, From and To. A fault of Parse is repeated.
// The error is a *SyntaxError owned by m.
func (m *Message) Check() error {
	if m.fault.What != "" {
		return &m.fault
	}
	if m.request {
		if _, err := m.URI(); err != nil {
			return err
		}
	}
	if err := m.checkDialog(); err != nil {
		return err
	}
	if err := m.checkTopVia(); err != nil || !m.request {
		return err
	}
	return m.checkRouting()
}

// checkDialog judges what names the dialog and the transaction.
func (m *Message) checkDialog() error {
	if err := m.checkAddress(To, viewTo, &m.to); err != nil {
		return err
	}
	if err := m.checkAddress(From, viewFrom, &m.from); err != nil {
		return err
	}
	if !m.Has(CallID) {
		return m.refuse(400, m.body, missing[CallID])
	}
	if id := m.CallIDValue(); len(id) == 0 || span(id, 0, clVisible) != len(id) {
		return m.refuse(400, int(m.lines[m.first[CallID]].value), bad[CallID])
	}
	seq, err := m.Sequence()
	if err != nil {
		return err
	}
	if m.request && string(seq.Name) != string(m.MethodName()) {
		pos := int(m.lines[m.first[CSeq]].value)
		if m.method == OtherMethod { // RFC 4475 §3.1.2.18: an unknown method is the greater fault
			return m.refuse(501, pos, "Not Implemented")
		}
		return m.refuse(400, pos, "CSeq Method Mismatch")
	}
	return nil
}

// checkAddress judges To or From; in a request a sip or sips URI in it has to
// parse whole. A response goes back by its Vias, whatever these say.
func (m *Message) checkAddress(id HeaderID, view int, a *Address) error {
	if _, err := m.address(view, id, a); err != nil || !m.request {
		return err
	}
	if !a.sound {
		return m.refuse(400, int(m.lines[m.first[id]].value), bad[id])
	}
	return nil
}

func (m *Message) checkTopVia() error {
	v, err := m.TopVia()
	if err != nil {
		return err
	}
	if m.viaParams.what != "" {
		return m.refuse(400, v.Value.Pos+m.viaParams.pos, bad[Via])
	}
	return nil
}

// checkRouting judges what a proxy routes by.
func (m *Message) checkRouting() error {
	it := m.Values(Via)
	it.pos = m.via.Value.Pos + len(m.via.Value.Text) // the top one was just parsed:
	it.Next()                                        // step over what is left of it
	n := 1
	for ; it.Next(); n++ {
		var v ViaValue
		if f := v.parse(it.Value); f.what != "" || n == MaxVias {
			return m.refuse(400, it.Value.Pos+f.pos, bad[Via])
		}
	}
	if _, _, err := m.MaxForwardsValue(); err != nil {
		return err
	}
	if _, _, err := m.MaxBreadthValue(); err != nil {
		return err
	}
	n = 0
	for it := m.Values(Route); it.Next(); n++ {
		if n == MaxRoutes || !validRoute(it.Value.Text) {
			return m.refuse(400, it.Value.Pos, bad[Route])
		}
	}
	return nil
}

// validRoute judges one Route value: name-addr, so with <> (RFC 3261 §20.34).
func validRoute(text []byte) bool {
	var a Address
	var u URI
	return a.parse(text, &u).what == "" && a.Angle && a.sound
}

// refuse keeps the fault of a Check.
func (m *Message) refuse(status, pos int, what string) error {
	m.check = SyntaxError{Status: status, Offset: pos, What: what}
	return &m.check
}
