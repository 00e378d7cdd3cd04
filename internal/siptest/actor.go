package siptest

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"viaduct/internal/flow"
)

// Actor is a party around the element: a phone, a trunk, another proxy.
type Actor struct {
	Name     string
	Protocol flow.Protocol
	Addr     netip.AddrPort // what it writes into Via and Contact
	Source   netip.AddrPort // where its packets come from; Addr unless it says otherwise
	NAT      bool           // it can be reached at Source only
	Conn     uint32         // of a stream: the connection it opened to the element
	Down     bool           // what is sent to it fails
	Shown    string         // the Contact that it writes instead of its address, or ""

	legs map[int]*leg // by call number
}

// place gives the i-th actor its addresses where the ladder gives none.
func (a *Actor) place(i int) {
	if !a.Addr.IsValid() {
		a.Addr = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, byte(11 + i)}), a.Protocol.DefaultPort())
	}
	if !a.Source.IsValid() {
		a.Source = a.Addr
	}
	if a.Protocol.Reliable() {
		a.Conn = uint32(i + 1)
	}
	a.legs = map[int]*leg{}
}

// flow is how the actor's packets reach a listener.
func (a *Actor) flow(i flow.Listener, local netip.AddrPort) flow.Flow {
	return flow.Flow{Local: local, Remote: a.Source, Conn: a.Conn, Listener: i, Protocol: a.Protocol}
}

// AOR is the actor's address of record.
func (a *Actor) AOR() string { return "sip:" + a.Name + "@example.org" }

// Contact is the actor's contact URI.
func (a *Actor) Contact() string {
	if a.Shown != "" {
		return a.Shown
	}
	uri := "sip:" + a.Name + "@" + a.Addr.String()
	if a.Protocol != flow.UDP {
		uri += ";transport=" + strings.ToLower(a.Protocol.String())
	}
	return uri
}

// leg is what an actor knows of one call.
type leg struct {
	number    int
	callID    string
	tag       string // local tag
	cseq      int
	sent      []*Message // requests, oldest first
	answers   []*Message // responses received, oldest first
	served    []*served  // requests received, oldest first, without copies
	responses []*Message // responses sent
}

// served is a request received and how it was answered.
type served struct {
	msg    *Message
	status int
}

func (a *Actor) leg(number int) *leg {
	l := a.legs[number]
	if l == nil {
		l = &leg{
			number: number, callID: fmt.Sprintf("call-%d", number),
			tag: fmt.Sprintf("%s-%d", a.Name, number),
		}
		a.legs[number] = l
	}
	return l
}

// hear keeps a message that reached the actor.
func (a *Actor) hear(number int, m *Message) {
	l := a.leg(number)
	l.callID = m.CallID()
	if !m.IsRequest() {
		l.answers = append(l.answers, m)
		return
	}
	for _, s := range l.served {
		if s.msg.Branch() == m.Branch() && s.msg.Method == m.Method {
			return
		}
	}
	l.served = append(l.served, &served{msg: m})
}

// dialog is what in-dialog requests are built from (RFC 3261 §12).
type dialog struct {
	target        string
	route         []string
	local, remote string // From and To, with tags
}

// dialog finds the dialog that a request of this leg belongs to; of names the
// party that sent the response, for a call with several answers.
func (l *leg) dialog(of string) (*dialog, bool) {
	for _, status := range []int{200, 101} { // a confirmed dialog goes before an early one
		for i := len(l.answers) - 1; i >= 0; i-- {
			if m := l.answers[i]; m.Status >= status && m.Status < 300 && m.makesDialog() && m.isFrom(of) {
				return &dialog{m.contact(), l.routeSet(m, status), m.Get("From"), m.Get("To")}, true
			}
		}
	}
	for i := len(l.served) - 1; i >= 0; i-- {
		if m := l.served[i].msg; l.served[i].status > 100 && m.makesDialog() {
			local := m.Get("To")
			if m.Tag("To") == "" {
				local += ";tag=" + l.tag
			}
			return &dialog{m.contact(), m.All("Record-Route"), local, m.Get("From")}, true
		}
	}
	return nil, false
}

// routeSet is the Record-Route of the first response that made the dialog of m,
// reversed; a later one does not change it (RFC 3261 §12.2).
func (l *leg) routeSet(m *Message, status int) []string {
	for _, first := range l.answers {
		if first.Status < status || first.Status >= 300 || first.Tag("To") != m.Tag("To") || !first.makesDialog() {
			continue
		}
		route := first.All("Record-Route")
		slices.Reverse(route)
		return route
	}
	return nil
}

func (m *Message) contact() string {
	uri, _ := splitAddress(m.Get("Contact"))
	return uri
}

// makesDialog reports whether a message is of a method that makes dialogs, and
// a response with a To tag or a request without one.
func (m *Message) makesDialog() bool {
	_, method := m.CSeq()
	switch method {
	case "INVITE", "SUBSCRIBE", "REFER":
		return m.IsRequest() == (m.Tag("To") == "")
	}
	return false
}

// isFrom reports whether a response came from the named party: tags begin with
// the name of who made them.
func (m *Message) isFrom(name string) bool {
	return name == "" || strings.HasPrefix(m.Tag("To"), name+"-")
}

func (l *leg) lastSent(method string) *Message {
	for i := len(l.sent) - 1; i >= 0; i-- {
		if l.sent[i].Method == method {
			return l.sent[i]
		}
	}
	return nil
}

// finalOf finds the newest final response to the leg's last INVITE.
func (l *leg) finalOf(invite *Message, of string) *Message {
	number, _ := invite.CSeq()
	for i := len(l.answers) - 1; i >= 0; i-- {
		m := l.answers[i]
		if n, method := m.CSeq(); n == number && method == "INVITE" && m.Status >= 200 && m.isFrom(of) {
			return m
		}
	}
	return nil
}

// toAnswer finds the request that a response is for: the newest without final
// answer, else the newest.
func (l *leg) toAnswer(method string, nth int) *served {
	var last *served
	count := 0
	for _, s := range l.served {
		if s.msg.Method == "ACK" || method != "" && s.msg.Method != method {
			continue
		}
		if count++; nth > 0 && count == nth {
			return s
		}
		if last == nil || s.status < 200 || last.status >= 200 {
			last = s
		}
	}
	if nth > 0 {
		return nil
	}
	return last
}

// request begins a request of the actor. Out of a dialog uri is needed.
func (a *Actor) request(l *leg, method, uri, of, branch string) (*draft, error) {
	switch method {
	case "CANCEL":
		invite := l.lastSent("INVITE")
		if invite == nil {
			return nil, fmt.Errorf("%s has sent no INVITE to cancel", a.Name)
		}
		return hopByHop("CANCEL", invite, invite.Get("To")), nil
	case "ACK":
		return a.ack(l, of, branch)
	}
	l.cseq++
	if d, ok := l.dialog(of); ok {
		if uri != "" {
			d.target = uri
		}
		return a.within(d, l, method, l.cseq, branch), nil
	}
	if uri == "" {
		return nil, fmt.Errorf("%s has no dialog for a %s without Request-URI", a.Name, method)
	}
	to := uri
	if method == "REGISTER" {
		to = a.AOR()
	}
	d := &dialog{target: uri, local: "<" + a.AOR() + ">;tag=" + l.tag, remote: "<" + to + ">"}
	return a.within(d, l, method, l.cseq, branch), nil
}

// ack begins the ACK for the final response to the last INVITE.
func (a *Actor) ack(l *leg, of, branch string) (*draft, error) {
	invite := l.lastSent("INVITE")
	if invite == nil {
		return nil, fmt.Errorf("%s has sent no INVITE to acknowledge", a.Name)
	}
	final := l.finalOf(invite, of)
	if final == nil {
		return nil, fmt.Errorf("%s has no final response to acknowledge", a.Name)
	}
	if final.Status >= 300 {
		return hopByHop("ACK", invite, final.Get("To")), nil
	}
	d, ok := l.dialog(of)
	if !ok {
		return nil, fmt.Errorf("%s has a 2xx that makes no dialog", a.Name)
	}
	number, _ := invite.CSeq()
	return a.within(d, l, "ACK", number, branch), nil
}

// within begins a request of a dialog (RFC 3261 §12.2.1.1).
func (a *Actor) within(dg *dialog, l *leg, method string, cseq int, branch string) *draft {
	target, route := dg.target, dg.route
	if len(route) > 0 && !strings.Contains(strings.ToLower(route[0]), ";lr") { // a strict router is next
		uri, _ := splitAddress(route[0])
		route = append(route[1:len(route):len(route)], "<"+target+">")
		target = uri
	}
	d := &draft{start: method + " " + target + " SIP/2.0"}
	d.add("Via", a.via(branch))
	d.add("Max-Forwards", "70")
	for _, r := range route {
		d.add("Route", r)
	}
	d.add("From", dg.local)
	d.add("To", dg.remote)
	d.add("Call-ID", l.callID)
	d.add("CSeq", strconv.Itoa(cseq)+" "+method)
	switch method {
	case "INVITE", "REGISTER", "SUBSCRIBE", "NOTIFY", "REFER", "UPDATE":
		d.add("Contact", "<"+a.Contact()+">")
	case "PRACK":
		for i := len(l.answers) - 1; i >= 0; i-- {
			if m := l.answers[i]; m.Has("RSeq") {
				d.add("RAck", m.Get("RSeq")+" "+m.Get("CSeq"))
				break
			}
		}
	}
	return d
}

func (a *Actor) via(branch string) string {
	via := "SIP/2.0/" + a.Protocol.String() + " " + a.Addr.String() + ";branch=" + branch
	if a.NAT {
		via += ";rport"
	}
	return via
}

// answer begins a response of the actor.
func (a *Actor) answer(l *leg, status int, method string, nth int) (*draft, *served, error) {
	s := l.toAnswer(method, nth)
	if s == nil {
		return nil, nil, fmt.Errorf("%s has no %s request to answer", a.Name, method)
	}
	d := response(s.msg, status, "", l.tag)
	if status > 100 && status < 300 && s.msg.Method != "BYE" && s.msg.Method != "CANCEL" && s.msg.Method != "PRACK" {
		d.add("Contact", "<"+a.Contact()+">")
	}
	return d, s, nil
}
