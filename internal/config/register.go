package config

import (
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2/hclsyntax"

	"viaduct/internal/policy"
	"viaduct/internal/registrar"
)

// The bounds of what a registrar grants.
const (
	minExpires     = time.Minute // RFC 3261 §10.3 step 7 lets a registrar refuse less than an hour
	maxExpires     = time.Hour
	leastExpires   = 10 * time.Second
	longestExpires = 30 * 24 * time.Hour
	maxContacts    = 10
	mostContacts   = 100

	longestServiceRoute = 1024 // it stands in each request of a client
)

// register reads the end that makes the server a registrar.
func (l *loader) register(e *policy.End, b *block) {
	e.Kind = policy.ToRegister
	r := b.first(registerSpec)
	if !l.onlyMethod(b, "REGISTER") {
		l.report(r.rng, "write when = method == REGISTER, and what else there is", "a rule with register must take REGISTER requests only")
	}
	s := policy.Register{MaxContacts: maxContacts, MinExpires: minExpires, MaxExpires: maxExpires}
	if a := r.attr("max_contacts"); a != nil {
		if n, ok := l.count(a, 1, mostContacts, ""); ok {
			s.MaxContacts = n
		}
	}
	l.expires(&s, r)
	if v, ok := l.choice(r.attr("on_disconnect"), "keep", "remove"); ok && v == "remove" {
		s.OnDisconnect = policy.RemoveBinding
	}
	v, _ := l.choice(r.attr("keepalive"), "crlf", "options", "none")
	switch v {
	case "options":
		s.Keepalive = policy.KeepaliveOptions
	case "none":
		s.Keepalive = policy.NoKeepalive
	}
	s.ServiceRoute = l.serviceRoute(r.attr("service_route"))
	s.AnyPath, _ = l.flag(r.attr("any_path"))
	if yes, ok := l.flag(r.attr("gruu")); ok {
		s.NoGRUU = !yes
	}
	e.Register = s
}

// serviceRoute reads the URIs of a Service-Route, in the order in which a client puts
// them into the Route of its requests (RFC 3608 §6.1), and returns them as the value.
func (l *loader) serviceRoute(a *hclsyntax.Attribute) string {
	var value []string
	size := 0
	for _, v := range l.texts(a) {
		one := "<" + v.str + ">"
		if err := registrar.CheckServiceRoute(one); err != nil {
			l.report(v.rng, `as in "sip:proxy.example.com;lr"`, "service_route: %v", err)
			return ""
		}
		value = append(value, one)
		size += len(one)
	}
	if size > longestServiceRoute {
		l.report(a.Range(), "", "service_route has more than %d characters, which no datagram has room for", longestServiceRoute)
		return ""
	}
	return strings.Join(value, ", ")
}

// expires reads "60s..1h": the shortest and the longest time that a binding is kept.
func (l *loader) expires(s *policy.Register, r *block) {
	said, rng, ok := l.constant(r.attr("expires"))
	if !ok {
		return
	}
	from, to, both := strings.Cut(said, "..")
	least, err := time.ParseDuration(strings.TrimSpace(from))
	most, wrong := time.ParseDuration(strings.TrimSpace(to))
	switch {
	case !both || err != nil || wrong != nil:
		l.report(rng, `as in "60s..1h"`, "%q is no range of durations", said)
	case least < leastExpires || most > longestExpires:
		l.report(rng, "from "+leastExpires.String()+" to "+longestExpires.String(), "expires is out of bounds")
	case least > most:
		l.report(rng, `the shorter one first: "`+strings.TrimSpace(to)+".."+strings.TrimSpace(from)+`"`, "expires ends before it begins")
	case least%time.Second != 0 || most%time.Second != 0:
		l.report(rng, "", "Expires counts in whole seconds")
	default:
		s.MinExpires, s.MaxExpires = least, most
	}
}

// onlyMethod reports whether the condition of a rule leaves one method only.
func (l *loader) onlyMethod(b *block, name string) bool {
	return slices.ContainsFunc(conjuncts(condition(b)), func(c alternatives) bool {
		return len(c) == 1 && c[0] == "("+name+"==method)"
	})
}
