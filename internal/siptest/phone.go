package siptest

import (
	"fmt"
	"strings"
	"time"
)

// Registration says how a party registers with the element.
type Registration struct {
	AOR      string        // of the user
	Contact  string        // a URI, "" for its own address
	Instance string        // URN, "" for none
	RegID    int           // of a flow (RFC 5626), 0 for none
	Q        string        // "" for none
	Path     string        // value of Path, as if a proxy had added it
	GRUU     bool          // shows its GRUU as Contact once it has one (RFC 5627)
	Expires  time.Duration // it refreshes after half of that
	Until    time.Duration // when it takes its binding away, from the start of the network
	Leave    time.Duration // what is sent to it fails from then on, 0: never
}

// Registered is a registration under way.
type Registered struct {
	OK     int // 200s
	Others int // other final responses, and none

	p    *endpoint
	reg  Registration
	id   string
	cseq int
}

// Register has a party register after a time, and refresh until it leaves.
func (p *endpoint) Register(after time.Duration, reg Registration) *Registered {
	r := &Registered{p: p, reg: reg, id: fmt.Sprintf("reg-%s@seed-%d", p.actor.Name, p.net.seed)}
	if r.reg.Contact == "" {
		r.reg.Contact = p.actor.Contact()
	}
	p.net.loop.after(after, r.refresh)
	if reg.Leave > 0 {
		p.net.loop.after(after+reg.Leave, func() { p.actor.Down = true })
	}
	return r
}

// refresh sends one REGISTER. With its answer the next one is due.
func (r *Registered) refresh() {
	p, reg := r.p, &r.reg
	if p.actor.Down {
		return
	}
	r.cseq++
	d := &draft{start: "REGISTER sip:" + reg.AOR[strings.IndexByte(reg.AOR, '@')+1:] + " SIP/2.0"}
	d.add("Via", "SIP/2.0/UDP "+p.actor.Addr.String()+";branch="+p.newBranch())
	d.add("Max-Forwards", "70")
	d.add("From", fmt.Sprintf("<%s>;tag=%s-%d", reg.AOR, p.actor.Name, p.count))
	d.add("To", "<"+reg.AOR+">")
	d.add("Call-ID", r.id)
	d.add("CSeq", fmt.Sprintf("%d REGISTER", r.cseq))
	d.add("Supported", "path, gruu, outbound")
	if reg.Path != "" {
		d.add("Path", reg.Path)
	}
	leaving := p.net.loop.now.Sub(start) >= reg.Until
	expires := reg.Expires
	if leaving {
		expires = 0
	}
	d.add("Contact", r.contact(expires))
	over := false // copies of the answer change nothing
	p.start(d, p.net.proxy(), func(m *Message) {
		if !over && m.Status >= 200 {
			over = true
			r.answered(m, leaving)
		}
	}, func() { r.Others++; r.later(leaving) })
}

func (r *Registered) contact(expires time.Duration) string {
	reg := &r.reg
	value := "<" + reg.Contact + ">"
	if reg.Q != "" {
		value += ";q=" + reg.Q
	}
	if reg.RegID != 0 {
		value += fmt.Sprintf(";reg-id=%d", reg.RegID)
	}
	if reg.Instance != "" {
		value += `;+sip.instance="<` + reg.Instance + `>"`
	}
	return value + fmt.Sprintf(";expires=%d", int(expires.Seconds()))
}

func (r *Registered) answered(m *Message, leaving bool) {
	if m.Status < 300 {
		r.OK++
		if r.reg.GRUU && !leaving {
			r.show(m)
		}
	} else {
		r.Others++
	}
	r.later(leaving)
}

// show makes the GRUU of this instance the Contact of what follows.
func (r *Registered) show(m *Message) {
	for _, value := range m.All("Contact") {
		_, rest, ok := strings.Cut(value, `pub-gruu="`)
		if uri, _, closed := strings.Cut(rest, `"`); ok && closed && strings.Contains(value, r.reg.Instance) {
			r.p.actor.Shown = uri
		}
	}
}

func (r *Registered) later(leaving bool) {
	if !leaving {
		r.p.net.loop.after(r.reg.Expires/2, r.refresh)
	}
}
