package config

import (
	"log/slog"
	"net/netip"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"viaduct/internal/auth"
	"viaduct/internal/policy"
	"viaduct/internal/proxy"
	"viaduct/sip"
)

// setting is a duration or a count with its bounds and its place in T.
type setting[T any, V time.Duration | int] struct {
	name     string
	initial  V // the default
	min, max V
	why      string // why not less, or ""
	into     func(*T) *V
}

// timerSettings are the attributes of server { timers }.
var timerSettings = []setting[proxy.Timers, time.Duration]{
	{"c", 185 * time.Second, 180*time.Second + time.Millisecond, time.Hour, "timer C must be more than 3 minutes (RFC 3261 §16.6 step 11)", func(t *proxy.Timers) *time.Duration { return &t.C }},
	{"trying", 200 * time.Millisecond, 0, 200 * time.Millisecond, "", func(t *proxy.Timers) *time.Duration { return &t.Trying }},
	{"t1", 500 * time.Millisecond, 100 * time.Millisecond, 10 * time.Second, "", func(t *proxy.Timers) *time.Duration { return &t.T1 }},
	{"t2", 4 * time.Second, 500 * time.Millisecond, time.Minute, "", func(t *proxy.Timers) *time.Duration { return &t.T2 }},
	{"t4", 5 * time.Second, 500 * time.Millisecond, time.Minute, "", func(t *proxy.Timers) *time.Duration { return &t.T4 }},
	{"silence", 4 * time.Second, 500 * time.Millisecond, 32 * time.Second, "", func(t *proxy.Timers) *time.Duration { return &t.Silence }},
	{"ring", 10 * time.Minute, 4 * time.Minute, 24 * time.Hour, "it bounds a whole call setup and must outlast timer C", func(t *proxy.Timers) *time.Duration { return &t.Ring }},
}

// limits are server { limits }.
type limits struct {
	transactions int
	guard        auth.GuardConfig
	proxy.Limits
}

// limitSettings are the attributes of server { limits }.
var limitSettings = []setting[limits, int]{
	{"transactions", 200_000, 100, 16_000_000, "", func(l *limits) *int { return &l.transactions }},
	{"parallel", 10, 1, 100, "", func(l *limits) *int { return &l.Parallel }},
	{"branches", 30, 1, 1000, "", func(l *limits) *int { return &l.Branches }},
	{"max_breadth", 60, 1, 255, "", func(l *limits) *int { return &l.MaxBreadth }},
	{"guesses", 20, 1, 1000, "", func(l *limits) *int { return &l.guard.Guesses }},
	{"guess_marks", 16_384, 1024, 16_777_216, "", func(l *limits) *int { return &l.guard.Marks }},
	{"nonces", 262_144, 1024, 16_777_216, "", func(l *limits) *int { return &l.guard.Nonces }},
}

func settingAttrs[T any, V time.Duration | int](list []setting[T, V]) []attrSpec {
	var attrs []attrSpec
	for _, s := range list {
		attrs = append(attrs, attrSpec{name: s.name})
	}
	return attrs
}

// settings reads the attributes of a block that are durations or counts; what is
// not set gets its default.
func settings[T any, V time.Duration | int](b *block, list []setting[T, V], to *T, read func(a *hclsyntax.Attribute, min, max V, why string) (V, bool)) {
	for i := range list {
		s := &list[i]
		*s.into(to) = s.initial
		if a := b.attr(s.name); a != nil {
			if v, ok := read(a, s.min, s.max, s.why); ok {
				*s.into(to) = v
			}
		}
	}
}

// server reads the server block, which may be absent.
func (l *loader) server(b *block) {
	c, s := l.config, l.config.Snapshot
	s.Redirects = l.redirects(b.attr("redirects"), policy.RedirectsPass)
	if v, ok := l.choice(b.attr("stray_responses"), "drop", "forward"); ok {
		s.StrayForward = v == "forward"
	}
	if v, ok := l.choice(b.attr("large_requests"), "tcp", "udp"); ok {
		s.LargeDatagrams = v == "udp"
	}
	c.Drain = defaultDrain
	if a := b.attr("drain"); a != nil {
		if d, ok := l.duration(a, time.Second, 24*time.Hour, "a second signal ends at once"); ok {
			c.Drain = d
		}
	}
	if v, ok := l.choice(b.attr("log"), "debug", "info", "warn", "error"); ok {
		_ = c.Log.UnmarshalText([]byte(v)) // each choice is the name of a level
	}
	s.Server = l.serverHeader(b.attr("server_header"))
	s.Trust = l.trust(b.attr("trust"))
	l.identity(b.named("identity"))
	c.Resolvers = l.resolvers(b.attr("resolvers"))
	s.Zone = l.timezone(b.attr("timezone"))
	l.timersAndLimits(b)
}

const (
	defaultDrain = 32 * time.Second // 64*T1: every transaction has ended by then
	defaultLog   = slog.LevelInfo
)

func (l *loader) timersAndLimits(b *block) {
	s := l.config.Snapshot
	timers := b.named("timers")
	settings(timers, timerSettings, &s.Timers, l.duration)
	if s.Timers.Trying == 0 {
		s.Timers.Trying = proxy.TryingAtOnce
	}
	if s.Timers.T2 < s.Timers.T1 {
		l.report(timers.rng, "T2 is the longest interval between retransmissions", "t2 is shorter than t1")
	}
	if s.Timers.Ring < s.Timers.C {
		l.report(timers.rng, "", "ring is shorter than c")
	}
	var lim limits
	block := b.named("limits")
	settings(block, limitSettings, &lim, l.count)
	if lim.Branches < lim.Parallel {
		l.report(block.rng, "parallel is how many branches one request may have at once, branches how many in all", "branches is less than parallel")
	}
	s.Limits, l.config.Transactions, l.config.Guard = lim.Limits, lim.transactions, lim.guard
}

// resolvers reads the DNS servers that are asked, in this order, instead of those
// of the system.
func (l *loader) resolvers(a *hclsyntax.Attribute) (list []netip.AddrPort) {
	for _, v := range l.texts(a) {
		at, err := netip.ParseAddrPort(v.str)
		if err != nil {
			addr, bad := netip.ParseAddr(strings.Trim(v.str, "[]"))
			if bad != nil {
				l.report(v.rng, `as in "192.0.2.53" or "192.0.2.53:5353"`, "%q is no address of a DNS server", v.str)
				continue
			}
			at = netip.AddrPortFrom(addr, 53)
		}
		list = append(list, at)
	}
	return list
}

// redirects reads what a 3xx does.
func (l *loader) redirects(a *hclsyntax.Attribute, initial policy.Redirects) policy.Redirects {
	v, _ := l.choice(a, "pass", "own", "follow")
	switch v {
	case "pass":
		return policy.RedirectsPass
	case "own":
		return policy.RedirectsOwn
	case "follow":
		return policy.RedirectsFollow
	}
	return initial
}

// serverHeader reads the value of the Server header field. It goes on the wire
// as it is, so it must be one line of text.
func (l *loader) serverHeader(a *hclsyntax.Attribute) string {
	s, rng, ok := l.constant(a)
	if ok && strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		l.report(rng, "", "a header field is one line of text")
		return ""
	}
	return s
}

// domainsAndName reads who the server is.
func (l *loader) domainsAndName(b *block) (domains []string) {
	if s, rng, ok := l.constant(b.attr("name")); ok && l.host(s, rng) {
		l.names = append(l.names, s)
	}
	for _, v := range l.texts(b.attr("domains")) {
		if l.host(v.str, v.rng) {
			domains = append(domains, v.str)
		}
	}
	return domains
}

// host checks the name of a host: a domain name or an address.
func (l *loader) host(s string, rng hcl.Range) bool {
	if _, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil {
		return true
	}
	u, err := sip.ParseURI([]byte("sip:" + s))
	switch {
	case strings.HasPrefix(s, "*"):
		l.report(rng, "list the domains one by one", "%q: a domain has no wildcard", s)
	case err != nil || u.HasUser || string(u.Host) != s:
		l.report(rng, `as in "example.com" or "192.0.2.1"`, "%q is no domain", s)
	default:
		return true
	}
	return false
}
