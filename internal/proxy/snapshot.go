package proxy

import (
	"net/netip"
	"slices"
	"time"

	"viaduct/internal/auth"
	"viaduct/internal/flow"
	"viaduct/internal/identity"
	"viaduct/internal/location"
	"viaduct/internal/policy"
	"viaduct/internal/registrar"
	"viaduct/internal/resolve"
	"viaduct/sip"
)

// Snapshot is everything of the configuration that the core reads: immutable
// once built. A request keeps the one it began with; a reload swaps the pointer
// and touches no running call.
type Snapshot struct {
	Program        *policy.Program
	Domains        *policy.Domains  // domains this server answers for (`server.domains`)
	Names          *policy.Domains  // names and addresses of this server itself: server.name, listener and advertised addresses
	Listeners      []Listener       // index is flow.Listener; a hole has Protocol flow.None
	Trust          *policy.Prefixes // who may pre-load Route and assert identity; see Listener.Trusted
	Identity       identity.Policy  // what is told of callers, and to whom (RFC 3325)
	Destinations   Destinations
	Redirects      policy.Redirects // what a 3xx does unless a rule says otherwise: Pass when not set
	Keys           *Keys
	Timers         Timers
	Limits         Limits
	LargeDatagrams bool   // large_requests = "udp": what is above 1300 bytes stays on UDP
	StrayForward   bool   // stray_responses = "forward": RFC 3261's stateless forwarding of responses
	Server         string // value of the Server header in our own responses, "" for none (RFC 3261 §20.35)
	Sources        Sources
	Today          func() time.Time    // the clock on the wall: read without waiting, for rules that ask for the time
	Zone           *time.Location      // where it hangs; nil: that of the system
	Realms         []*auth.Realm       // by policy.Realm.ID
	Users          []auth.Users        // the users of each
	Directory      *location.Directory // the location service; nil: there is none
	GRUUs          *registrar.Keys     // nil: no temporary GRUUs
	Known          Names               // what is known of names; nil: nothing ever is

	speaks   resolve.Set                 // set by Prepare: what can be sent by
	groupsOf map[netip.AddrPort][]uint16 // set by Prepare: the groups that a place is a target of
}

// Listener is one configured listener as the core sees it.
type Listener struct {
	Name      string         // as configured, or "udp 127.0.0.1:5060"
	Hash      uint32         // policy.HashName("listen", Name), for the Route cookie
	Protocol  flow.Protocol  // flow.None: not in use
	Bind      netip.AddrPort // what the socket is bound to; the address may be a wildcard
	Advertise string         // host[:port] to show instead of the local address, "" for the address itself
	// AdvertiseTo is what the peers of some networks are shown instead; the smallest
	// network that a peer is in counts.
	AdvertiseTo []Advertised

	Trusted   bool // who uses it is trusted, wherever it is (Snapshot.Trust)
	Stateless bool // mode = "stateless": requests that come here are passed on without a transaction
	Gone      bool // removed by a reload: serves what runs, reads no new requests
	// TransportTLS is that Record-Route says transport=tls to peers of a TLS listener,
	// which RFC 5630 §5.3 forbids and many of them go by.
	TransportTLS bool

	// set by Prepare
	toAll  shown   // to peers of no network of its own
	toSome []shown // the smallest networks first
}

// Sources tells which local address the kernel would use toward dst. It is a
// leaf read: it takes no lock of the core and never waits. ok is false when
// there is no route.
type Sources interface {
	Source(dst netip.Addr) (src netip.Addr, ok bool)
}

// Destinations says which addresses may be spoken to, after resolution
// (safety.md rule 11).
type Destinations struct {
	Allow        *policy.Prefixes // listed, or named by the configuration
	Deny         *policy.Prefixes // listed; our own admin addresses are always among them
	LoopbackOnly bool             // every listener is on loopback: nothing else may be spoken to
}

// Timers are the durations of the core. Zero values mean the defaults given.
type Timers struct {
	T1     time.Duration // 500 ms
	T2     time.Duration // 4 s
	T4     time.Duration // 5 s
	C      time.Duration // 185 s: timer C, RFC 3261 §16.6 step 11
	Trying time.Duration // 200 ms: latest moment of the 100; TryingAtOnce for the letter of §17.2.1
	Ring   time.Duration // 10 min: the longest life of a response context
	// Silence is how long a hop may give no sign of life before the next one of
	// the same name is tried: 4 s. The last one has timer B or F.
	Silence time.Duration
}

// TryingAtOnce as Timers.Trying sends the 100 with the arrival of the INVITE.
const TryingAtOnce time.Duration = -1

// Limits are the bounds of one request. Zero values mean the defaults given.
type Limits struct {
	Parallel   int // 10 branches at once
	Branches   int // 30 branches in all
	MaxBreadth int // 60, RFC 5393 §5.3.3
}

// Prepare fills in defaults and what is derived. Call it once, before the
// snapshot is given to a core; it is immutable from then on.
func (s *Snapshot) Prepare() {
	orDuration := func(d *time.Duration, def time.Duration) {
		if *d == 0 {
			*d = def
		}
	}
	orInt := func(n *int, def int) {
		if *n == 0 {
			*n = def
		}
	}
	orDuration(&s.Timers.T1, 500*time.Millisecond)
	orDuration(&s.Timers.T2, 4*time.Second)
	orDuration(&s.Timers.T4, 5*time.Second)
	orDuration(&s.Timers.C, 185*time.Second)
	orDuration(&s.Timers.Trying, 200*time.Millisecond)
	orDuration(&s.Timers.Ring, 10*time.Minute)
	orDuration(&s.Timers.Silence, 4*time.Second)
	orInt(&s.Limits.Parallel, 10)
	orInt(&s.Limits.Branches, 30)
	orInt(&s.Limits.MaxBreadth, 60)
	if s.Redirects == policy.RedirectsDefault {
		s.Redirects = policy.RedirectsPass
	}
	s.speaks = 0
	for i := range s.Listeners {
		l := &s.Listeners[i]
		l.prepare()
		if l.Protocol != flow.None && !l.Gone {
			s.speaks = s.speaks.With(l.Protocol, l.Bind.Addr())
		}
	}
	s.groupsOf = map[netip.AddrPort][]uint16{}
	for g := range s.Program.Groups {
		s.addGroup(g)
	}
}

// addGroup notes that the addresses of g are reached through rules only
// (seams.md §3): in-dialog requests need a cookie made for that group.
func (s *Snapshot) addGroup(g *policy.Group) {
	mark := groupMark(g.Hash)
	for i := range g.Targets {
		uri, err := sip.ParseURI(g.Targets[i].URI)
		if err != nil {
			continue
		}
		a, ok := uri.Addr()
		if !ok {
			continue
		}
		port := uri.Port
		if port == 0 {
			port = flow.ParseProtocol(uri.Transport()).DefaultPort()
		}
		at := targetPlace(netip.AddrPortFrom(a, port))
		if !slices.Contains(s.groupsOf[at], mark) {
			s.groupsOf[at] = append(s.groupsOf[at], mark)
		}
	}
}

// targetPlace is what a target of a group is known by inside a dialog: its address,
// whatever port it calls from or has in its Contact. On loopback other programs of
// the machine have the same address, and the port is what tells them apart.
func targetPlace(a netip.AddrPort) netip.AddrPort {
	addr := a.Addr().Unmap()
	if addr.IsLoopback() {
		return netip.AddrPortFrom(addr, a.Port())
	}
	return netip.AddrPortFrom(addr, 0)
}

// markOf is the mark of a group that has a as a target, 0 for none. Of several
// any will do: ResponseContext.mayReach asks for one of them.
func (s *Snapshot) markOf(a netip.AddrPort) uint16 {
	if marks := s.groupsOf[targetPlace(a)]; len(marks) > 0 {
		return marks[0]
	}
	return 0
}

// groupMark is a group in a Route cookie. 0 means none.
func groupMark(hash uint32) uint16 {
	if m := uint16(hash ^ hash>>16); m != 0 {
		return m
	}
	return 1
}
