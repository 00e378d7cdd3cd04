package resolve

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"viaduct/internal/flow"
	"viaduct/sip"
)

// QueryOf is the Query of a URI: its maddr or else its host, its port and its
// transport parameter (RFC 3263 §4). The Host is a view into u.
func QueryOf(u *sip.URI, speaks Set) (Query, error) {
	if !u.IsSIP() {
		return Query{}, fmt.Errorf("%w: %s is no sip or sips URI", ErrNoName, u.Text)
	}
	q := Query{Host: u.Host, Port: u.Port, SIPS: u.Scheme == sip.SIPS, Speaks: speaks}
	if maddr := u.MAddr(); maddr != nil {
		q.Host = maddr
	}
	if word := u.Transport(); word != nil {
		if q.Transport = flow.ParseProtocol(word); q.Transport == flow.None {
			return Query{}, fmt.Errorf("%w: %s", ErrNoProtocol, word)
		}
	}
	return q, nil
}

// Everything is the Set of a server that has all that can be located.
func Everything() (s Set) {
	for p := flow.UDP; p <= flow.TLS; p++ {
		s = s.With(p, v4).With(p, v6)
	}
	return s
}

// Hop is one address of an answer, for people.
type Hop struct {
	Transport string         `json:"transport"`
	Address   netip.AddrPort `json:"address"`
	Target    string         `json:"target,omitempty"` // "" for a numeric host
	Priority  uint16         `json:"priority"`
	Weight    uint16         `json:"weight"`
}

// All lists the hops by priority. Which target of one priority comes first is
// drawn by weight for each request (Iterator); here the heaviest stands first.
func (h Hops) All() []Hop {
	transport := strings.ToLower(h.protocol.String())
	if h.one.IsValid() {
		return []Hop{{Transport: transport, Address: h.one}}
	}
	var all []Hop
	for i := range h.targets {
		t := &h.targets[i]
		for _, addr := range t.addrs {
			all = append(all, Hop{transport, addr, t.name, t.priority, t.weight})
		}
	}
	slices.SortStableFunc(all, func(a, b Hop) int {
		return cmp.Or(cmp.Compare(a.Priority, b.Priority), cmp.Compare(b.Weight, a.Weight))
	})
	return all
}

// Report is a whole walk, for people and for programs.
type Report struct {
	Host    string           `json:"host"`
	Servers []netip.AddrPort `json:"servers"`
	Known   bool             `json:"known"` // an address, or a name of the hosts file: nothing is asked
	Steps   []Asked          `json:"steps"`
	Hops    []Hop            `json:"hops"`
	Error   string           `json:"error,omitempty"`
}

// Asked is one question of a Report with what became of it.
type Asked struct {
	Name    string  `json:"name"`
	Type    string  `json:"type"`
	Records []Datum `json:"records,omitempty"`
	Error   string  `json:"error,omitempty"`
	TTL     float64 `json:"ttl"` // seconds that the answer is used for; 0 for a failure
}

// Datum is one record of an answer.
type Datum struct {
	Name string `json:"name"`
	TTL  uint32 `json:"ttl"` // seconds, as the server said
	Data string `json:"data"`
}

// Report walks q and keeps the steps. The error is that of the Report, too.
func (r *Resolver) Report(ctx context.Context, q Query) (Report, error) {
	set := r.settings.Load()
	report := Report{Host: normal(string(q.Host)), Steps: []Asked{}, Hops: []Hop{}}
	for _, s := range set.servers {
		report.Servers = append(report.Servers, s.addr)
	}
	_, literal := q.literal()
	_, named := set.hosts.lookup(report.Host)
	report.Known = literal || named
	hops, err := r.Walk(ctx, q, func(s Step) { report.Steps = append(report.Steps, askedOf(s)) })
	report.Hops = append(report.Hops, hops.All()...)
	if err != nil {
		report.Error = told(err)
	}
	return report, err
}

func askedOf(s Step) Asked {
	a := Asked{Name: s.Question.Name, Type: s.Question.Type.String(), TTL: s.TTL.Round(time.Second).Seconds()}
	for _, rec := range s.Records {
		a.Records = append(a.Records, Datum{rec.Name, rec.TTL, rec.String()})
	}
	switch {
	case errors.Is(s.Err, ErrNoName):
		a.Error = "no such name"
	case errors.Is(s.Err, ErrNoAddress):
		a.Error = "no such record"
	case s.Err != nil:
		a.Error = told(s.Err)
	}
	return a
}

// told is an error without the name of this package.
func told(err error) string { return strings.ReplaceAll(err.Error(), "resolve: ", "") }

// WriteTo prints the report for people: the questions in the order in which their
// answers were used, below each its answer with the TTL, then the hops.
func (p *Report) WriteTo(w io.Writer) (int64, error) {
	var text strings.Builder
	p.steps(&text)
	if len(p.Hops) == 0 {
		fmt.Fprintf(&text, "no hops: %s\n", p.Error)
	} else {
		p.hops(&text)
	}
	n, err := io.WriteString(w, text.String())
	return int64(n), err
}

func (p *Report) steps(w io.Writer) {
	if p.Known {
		fmt.Fprintf(w, "%s is an address or a name of this machine: nothing is asked\n\n", p.Host)
	}
	for _, s := range p.Steps {
		fmt.Fprintf(w, "%s %s\n", s.Type, s.Name)
		switch {
		case s.Error != "" && s.TTL > 0:
			fmt.Fprintf(w, "  %s (for %gs)\n", s.Error, s.TTL)
		case s.Error != "":
			fmt.Fprintf(w, "  %s\n", s.Error)
		}
		t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		for _, d := range s.Records {
			fmt.Fprintf(t, "  %s.\t%ds\t%s\n", d.Name, d.TTL, d.Data)
		}
		_ = t.Flush() // into memory
		fmt.Fprintln(w)
	}
}

func (p *Report) hops(w io.Writer) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "priority\tweight\ttransport\taddress\ttarget")
	for _, h := range p.Hops {
		fmt.Fprintf(t, "%d\t%d\t%s\t%s\t%s\n", h.Priority, h.Weight, h.Transport, h.Address, h.Target)
	}
	_ = t.Flush() // into memory
}
