package sip

// The typed views are parsed at the first call and kept until the next Parse.
type viewSet uint8

const (
	viewVia = iota
	viewFrom
	viewTo
	viewCSeq
	viewURI
	viewMaxForwards
	viewMaxBreadth
	numViews
)

// fresh reports whether a view is asked for the first time since Parse.
func (m *Message) fresh(view int) bool {
	if m.parsed>>view&1 != 0 {
		return false
	}
	m.parsed |= 1 << view
	return true
}

// spoil keeps the fault of a view.
func (m *Message) spoil(view, pos int, what string) { m.spoilAs(400, view, pos, what) }

func (m *Message) spoilAs(status, view, pos int, what string) {
	m.spoiled |= 1 << view
	m.viewFault[view] = SyntaxError{Status: status, Offset: pos, What: what}
}

// viewErr is the kept fault as an error owned by m.
func (m *Message) viewErr(view int) error {
	if m.spoiled>>view&1 == 0 {
		return nil
	}
	return &m.viewFault[view]
}

// single returns the value of a header that a view needs; a missing or damaged
// one spoils the view.
func (m *Message) single(view int, id HeaderID) (Value, bool) {
	if !m.Has(id) {
		m.spoil(view, m.body, missing[id])
		return Value{}, false
	}
	l := &m.lines[m.first[id]]
	if l.damaged {
		m.spoil(view, int(l.value), bad[id])
		return Value{}, false
	}
	return m.lineValue(l), true
}

var missing = [numHeaders]string{
	Via: "Missing Via", From: "Missing From", To: "Missing To", CallID: "Missing Call-ID", CSeq: "Missing CSeq",
}

var bad = [numHeaders]string{
	Via: "Bad Via", From: "Bad From", To: "Bad To", CallID: "Bad Call-ID", CSeq: "Bad CSeq",
	MaxForwards: "Bad Max-Forwards", MaxBreadth: "Bad Max-Breadth", Route: "Bad Route",
}

// TopVia parses the first Via value. The view is owned by m and valid until the
// next Parse; the error is a *SyntaxError. Parameters behind a malformed one are
// missing in the view: with its sent-by alone a request can still be answered 400
// (RFC 4475 §3.1.2.1), and Check refuses it.
func (m *Message) TopVia() (*ViaValue, error) {
	if m.fresh(viewVia) {
		m.viaParams = fault{}
		if _, ok := m.single(viewVia, Via); ok {
			v, _ := m.First(Via)
			f := m.via.parse(v)
			if f.what != "" && m.via.SentBy == nil {
				m.spoil(viewVia, v.Pos+f.pos, f.what)
			} else {
				m.viaParams = f
			}
		}
	}
	if err := m.viewErr(viewVia); err != nil {
		return nil, err
	}
	return &m.via, nil
}

// FromAddress parses From. The view is owned by m and valid until the next
// Parse; the error is a *SyntaxError.
func (m *Message) FromAddress() (*Address, error) { return m.address(viewFrom, From, &m.from) }

// ToAddress parses To; otherwise like FromAddress.
func (m *Message) ToAddress() (*Address, error) { return m.address(viewTo, To, &m.to) }

func (m *Message) address(view int, id HeaderID, a *Address) (*Address, error) {
	if m.fresh(view) {
		if v, ok := m.single(view, id); ok {
			var whole *URI
			if m.request { // there Check wants it
				whole = new(URI)
			}
			if f := a.parse(v.Text, whole); f.what != "" {
				m.spoil(view, v.Pos+f.pos, bad[id])
			}
		}
	}
	if err := m.viewErr(view); err != nil {
		return nil, err
	}
	return a, nil
}

// FromTag is the tag of From, nil when absent or From is malformed.
func (m *Message) FromTag() []byte {
	if a, err := m.FromAddress(); err == nil {
		return a.Tag()
	}
	return nil
}

// ToTag is the tag of To, nil when absent or To is malformed.
func (m *Message) ToTag() []byte {
	if a, err := m.ToAddress(); err == nil {
		return a.Tag()
	}
	return nil
}

// Sequence is the value of CSeq (RFC 3261 §20.16).
type Sequence struct {
	Number uint32
	Method Method
	Name   []byte // the method as written
}

// Sequence parses CSeq. RFC 3261 §8.1.1.5 wants numbers below 2^31; up to
// 2^32-1 is tolerated. The error is a *SyntaxError owned by m.
func (m *Message) Sequence() (Sequence, error) {
	if m.fresh(viewCSeq) {
		m.sequence = Sequence{}
		if v, ok := m.single(viewCSeq, CSeq); ok && !m.sequence.parse(v.Text) {
			m.spoil(viewCSeq, v.Pos, bad[CSeq])
		}
	}
	return m.sequence, m.viewErr(viewCSeq)
}

func (s *Sequence) parse(text []byte) bool {
	i := digits(text, 0)
	n, ok := number(text[:i], 1<<32-1)
	j := skipLWS(text, i)
	end := span(text, j, clToken)
	if !ok || j == i || end == j || end != len(text) {
		return false
	}
	s.Number, s.Name, s.Method = uint32(n), text[j:end:end], MethodOf(text[j:end])
	return true
}

// MaxForwardsValue reads Max-Forwards: 0–255 (RFC 3261 §20.22). Without the
// header present is false; the error is a *SyntaxError owned by m.
func (m *Message) MaxForwardsValue() (n int, present bool, err error) {
	return m.counter(viewMaxForwards, MaxForwards, 255)
}

// MaxBreadthValue reads Max-Breadth (RFC 5393 §5.3.1); otherwise like
// MaxForwardsValue.
func (m *Message) MaxBreadthValue() (n int, present bool, err error) {
	return m.counter(viewMaxBreadth, MaxBreadth, 1<<31-1)
}

func (m *Message) counter(view int, id HeaderID, max uint64) (int, bool, error) {
	if !m.Has(id) {
		return 0, false, nil
	}
	m.fresh(view)
	v, ok := m.single(view, id)
	if !ok {
		return 0, true, m.viewErr(view)
	}
	n, ok := number(v.Text, max)
	if !ok {
		m.spoil(view, v.Pos, bad[id])
		return 0, true, m.viewErr(view)
	}
	return int(n), true, nil
}

// URI parses the Request-URI. The view is owned by m and valid until the next
// Parse; the error is a *SyntaxError (414 when it is too long).
func (m *Message) URI() (*URI, error) {
	if m.fresh(viewURI) {
		f := m.requestURI.parse(m.RequestURI())
		switch {
		case f.what == uriTooLong:
			m.spoilAs(414, viewURI, int(m.uri)+f.pos, f.what)
		case f.what != "":
			m.spoil(viewURI, int(m.uri)+f.pos, "Bad Request-URI")
		}
	}
	if err := m.viewErr(viewURI); err != nil {
		return nil, err
	}
	return &m.requestURI, nil
}
