package resolve

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"viaduct/internal/clock"
	"viaduct/internal/flow"
)

// walk is RFC 3263 §4 for one Query, from its name to its hops.
type walk struct {
	resolver *Resolver
	query    Query
	see      func(Step) // nil, or who wants to know each step
	until    clock.Instant
	failure  error // of a lookup that failed; the walk may succeed without it
}

// Step is one lookup of a walk, for people.
type Step struct {
	Question Question
	Records  []Record      // the answer
	Err      error         // or why there is none
	TTL      time.Duration // how long that is used; 0 for a failure
}

// Walk looks q up as Ask does, in the goroutine of the caller, which waits, and
// shows each step. The cache of hops is neither read nor filled.
func (r *Resolver) Walk(ctx context.Context, q Query, see func(Step)) (Hops, error) {
	if len(q.name()) > maxName {
		return Hops{}, ErrNoName
	}
	ctx, cancel := context.WithTimeout(ctx, r.limits.Budget)
	defer cancel()
	q.Host = q.AppendTo(nil)[fixedLen:]
	w := walk{resolver: r, query: q, see: see}
	return w.locate(ctx)
}

// service is an SRV record set to look for, and the transport that it stands for.
type service struct {
	protocol flow.Protocol
	name     string
}

// locate is §4.1 (which transport) and §4.2 (which port and address).
func (w *walk) locate(ctx context.Context) (Hops, error) {
	r, q := w.resolver, &w.query
	w.until = r.now().Add(r.limits.MaxTTL)
	name, p := string(q.Host), q.protocol()
	if h, ok := q.literal(); ok {
		if h.Len() == 0 {
			return h, ErrNoProtocol
		}
		return h, nil
	}
	switch _, known := r.settings.Load().hosts.lookup(name); {
	case p == flow.None:
		return Hops{}, ErrNoProtocol
	case !isName(name):
		return Hops{}, fmt.Errorf("%w: %q", ErrNoName, name)
	case known, q.Port != 0:
		// A port: no NAPTR and no SRV. A name of the hosts file is meant to be
		// reached without DNS, so it has neither.
		return w.plain(ctx, p, name)
	case q.Transport != flow.None:
		return w.byService(ctx, p, []service{serviceOf(p, name)}, name)
	}
	return w.byNAPTR(ctx, p, name)
}

// serviceOf is the SRV name of a transport. A sip URI that goes by TLS looks for
// _sips too (§4.2).
func serviceOf(p flow.Protocol, name string) service {
	switch p {
	case flow.UDP:
		name = "_sip._udp." + name
	case flow.TCP:
		name = "_sip._tcp." + name
	case flow.TLS:
		name = "_sips._tcp." + name
	}
	return service{p, name}
}

// byNAPTR is §4.1 for a name without port and transport.
func (w *walk) byNAPTR(ctx context.Context, p flow.Protocol, name string) (Hops, error) {
	a := w.ask(ctx, Question{name, TypeNAPTR})[0]
	switch {
	case errors.Is(a.err, ErrNoName): // RFC 8020: so there is nothing below the name either
		return Hops{}, a.err
	case a.err != nil && !isAnswer(a.err) && !errors.Is(a.err, ErrServers):
		return Hops{}, a.err
	}
	// Servers that do not know the type say that they failed: as good as none.
	w.failure = nil
	offers := w.offers(a.records)
	for _, o := range offers {
		h, found, err := w.firstOf(ctx, []service{o})
		if err == nil && h.Len() > 0 {
			return h, nil
		}
		if found {
			w.failure = cmp.Or(w.failure, err)
		}
	}
	if len(offers) > 0 {
		if w.failure != nil {
			return Hops{}, w.failure
		}
		return w.plain(ctx, offers[0].protocol, name)
	}
	return w.byService(ctx, p, w.guesses(p, name), name)
}

// offers is what the NAPTR records offer of what is spoken here, the most
// preferred first: RFC 3263 §4.1, RFC 3403 §4.1.
func (w *walk) offers(records []Record) []service {
	records = slices.Clone(records)
	slices.SortFunc(records, func(a, b Record) int {
		return cmp.Or(cmp.Compare(a.Order, b.Order), cmp.Compare(a.Preference, b.Preference),
			cmp.Compare(a.Service, b.Service), cmp.Compare(a.Target, b.Target))
	})
	var offers []service
	for _, rec := range records {
		p := flow.None
		switch rec.Service {
		case "SIP+D2U":
			p = flow.UDP
		case "SIP+D2T":
			p = flow.TCP
		case "SIPS+D2T":
			p = flow.TLS
		}
		usable := rec.Flags == "s" && rec.Regexp == "" && isName(rec.Target)
		if usable && w.query.Speaks.Speaks(p) && (p == flow.TLS || !w.query.SIPS) && len(offers) < maxHops {
			offers = append(offers, service{p, rec.Target})
		}
	}
	return offers
}

// guesses is where to look without NAPTR records: each transport spoken that
// belongs to the scheme (§4.1). The first in this order that the domain has is
// taken; §4.1 leaves the choice open, and UDP is what §4.1 prefers elsewhere.
func (w *walk) guesses(p flow.Protocol, name string) []service {
	services := []service{serviceOf(p, name)}
	if p == flow.UDP && w.query.Speaks.Speaks(flow.TCP) {
		services = append(services, serviceOf(flow.TCP, name))
	}
	return services
}

// byService looks for the services, and for the bare name when there are none.
func (w *walk) byService(ctx context.Context, p flow.Protocol, services []service, name string) (Hops, error) {
	h, found, err := w.firstOf(ctx, services)
	if found || err != nil {
		return h, err
	}
	return w.plain(ctx, p, name)
}

// firstOf returns the hops of the first service that has some. found is false
// when no service has SRV records; err then tells of a lookup that failed, for
// it is not known that there are none.
func (w *walk) firstOf(ctx context.Context, services []service) (h Hops, found bool, err error) {
	questions := make([]Question, len(services))
	for i, s := range services {
		questions[i] = Question{s.name, TypeSRV}
	}
	var none error
	for i, a := range w.ask(ctx, questions...) {
		if a.err != nil {
			if !isAnswer(a.err) {
				err = cmp.Or(err, a.err)
			}
			continue
		}
		found = true
		h, why := w.ofTargets(ctx, services[i].protocol, a.records)
		if why == nil {
			return h, true, nil
		}
		none = cmp.Or(none, why)
	}
	return Hops{}, found, cmp.Or(err, none)
}

// ofTargets is the rest of RFC 2782's procedure: the addresses of all targets.
func (w *walk) ofTargets(ctx context.Context, p flow.Protocol, records []Record) (Hops, error) {
	records = slices.DeleteFunc(slices.Clone(records), func(r Record) bool { return r.Target == "" })
	if len(records) == 0 { // the target was "."
		return Hops{}, ErrNoService
	}
	return w.addresses(ctx, p, records)
}

// plain is the host itself, without SRV: the port of the URI or the default.
func (w *walk) plain(ctx context.Context, p flow.Protocol, name string) (Hops, error) {
	return w.addresses(ctx, p, []Record{{Target: name, Port: w.query.portOf(p)}})
}

// addresses looks up AAAA and A, as far as p can be sent to them, for the
// targets of SRV records. Addresses in the additional section of the SRV answer
// are not used: whoever answers for one domain could place those of another.
func (w *walk) addresses(ctx context.Context, p flow.Protocol, records []Record) (Hops, error) {
	slices.SortStableFunc(records, func(a, b Record) int {
		return cmp.Or(cmp.Compare(a.Priority, b.Priority), cmp.Compare(a.Target, b.Target))
	})
	records = records[:min(len(records), maxHops)]
	found, none := w.addrsOf(ctx, p, records)
	var targets []target
	for _, rec := range records {
		var to []netip.AddrPort
		for _, addr := range found[rec.Target] {
			if w.query.Speaks.Reaches(p, addr) && rec.Port != 0 {
				to = append(to, netip.AddrPortFrom(addr, rec.Port))
			}
		}
		targets = append(targets, newTarget(rec.Target, rec.Priority, rec.Weight, to))
	}
	h := newHops(p, targets)
	if h.Len() == 0 {
		return h, cmp.Or(w.failure, none, fmt.Errorf("%w: %s", ErrNoAddress, w.query.Host))
	}
	return h, nil
}

// addrsOf returns the addresses of each target by its name, and why one has none.
func (w *walk) addrsOf(ctx context.Context, p flow.Protocol, records []Record) (found map[string][]netip.Addr, none error) {
	found = make(map[string][]netip.Addr, len(records))
	var questions []Question
	hosts := w.resolver.settings.Load().hosts
	for _, rec := range records {
		if _, done := found[rec.Target]; done {
			continue
		}
		addrs, known := hosts.lookup(rec.Target)
		found[rec.Target] = addrs
		if known || !isName(rec.Target) {
			continue
		}
		for _, family := range []struct {
			addr netip.Addr
			of   Type
		}{{v6, TypeAAAA}, {v4, TypeA}} {
			if w.query.Speaks.Reaches(p, family.addr) {
				questions = append(questions, Question{rec.Target, family.of})
			}
		}
	}
	for i, a := range w.ask(ctx, questions...) {
		none = cmp.Or(none, a.err)
		name := questions[i].Name
		for _, rec := range a.records {
			found[name] = append(found[name], rec.Addr)
		}
	}
	return found, none
}

// ahead is how many lookups of one walk are under way at once.
const ahead = 4

// ask looks the questions up, some at once, and keeps the books: what was found
// is good until the first of its records expires.
func (w *walk) ask(ctx context.Context, questions ...Question) []answer {
	r := w.resolver
	answers := make([]answer, len(questions))
	flights := make([]*flight, len(questions))
	next := 0
	for i, q := range questions {
		for ; next < min(len(questions), i+ahead); next++ {
			flights[next], answers[next] = r.begin(ctx, questions[next])
		}
		if flights[i] != nil {
			answers[i] = flights[i].await(ctx)
		}
		a := &answers[i]
		if a.err == nil || isAnswer(a.err) {
			w.until = min(w.until, a.until)
		} else {
			w.failure = cmp.Or(w.failure, a.err)
			w.until = min(w.until, r.now().Add(r.limits.Failure)) // what was found without it is soon looked at again
		}
		if w.see != nil {
			w.see(Step{q, a.records, a.err, max(a.until.Sub(r.now()), 0)})
		}
	}
	return answers
}
