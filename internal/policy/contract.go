// Package policy: CONTRACT (temporary file), see the owner's real files.
package policy

import (
	"net/netip"

	"viaduct/internal/flow"
	"viaduct/sip"
)

// Facts are all that an expression can read. One Facts is reused per core; nothing in it outlives a Decide.
type Facts struct {
	Msg      *sip.Message
	Method   sip.Method // as decided: INVITE for an ACK or CANCEL that is routed like its INVITE
	Dest     *sip.URI   // the Request-URI after preprocessing (§16.4)
	From     flow.Flow  // where the message came from
	Listener string     // name of the listener
	Scratch  []byte     // strings are built here; Decide resets it
}

// Bool, Text and Number are compiled expressions: pure, total, 0 allocations. A field that is absent reads as the empty text, 0 or false.
type (
	Bool   func(*Facts) bool
	Text   func(*Facts) []byte // valid until the next Decide
	Number func(*Facts) int64
)

// Prefixes is an immutable set of networks. The nil set is empty.
type Prefixes struct{}

func NewPrefixes(list ...netip.Prefix) *Prefixes { panic("contract") }
func (p *Prefixes) Contains(a netip.Addr) bool   { panic("contract") } // IPv4-mapped addresses count as IPv4
func (p *Prefixes) Empty() bool                  { panic("contract") }

// Domains is the set of domains that this server answers for: names without regard to case, literals by value.
type Domains struct{}

func NewDomains(names ...string) *Domains    { panic("contract") }
func (d *Domains) Contains(host []byte) bool { panic("contract") }

// Redirects says what a 3xx does (seams.md §5).
type Redirects uint8

const (
	RedirectsDefault Redirects = iota // as the server block says
	RedirectsPass
	RedirectsOwn
	RedirectsFollow
)

// TargetKind of a Target in a send.
type TargetKind uint8

const (
	ToRequestURI TargetKind = iota + 1 // send = request_uri
	ToURI                              // send = "sip:…"
	ToGroup                            // send = group.X
)

// Target is one value of `send`.
type Target struct {
	Kind  TargetKind
	URI   Text // ToURI; whole SIP URI
	Group *Group
	Q     int // thousandths; 1000 unless the configuration says otherwise
}

// Group is a named list of targets. Addresses are the literal hosts of its targets, for within(ip, group.X).
type Group struct {
	Name    string
	Hash    uint32 // stable hash of the name, for the Route cookie
	Targets []GroupTarget
	Members *Prefixes
}

// GroupTarget is one `target` block.
type GroupTarget struct {
	URI  []byte
	Name string
	Q    int // thousandths, default 1000: targets of equal q are called at once, lower ones after (§16.6)
}

// EndKind is how a rule ends.
type EndKind uint8

const (
	NoMatch EndKind = iota // no rule matched: own domain 404, anything else 403
	Send
	Reply
	Drop
	Redirect
)

// Rule is one compiled rule.
type Rule struct {
	Name string
	Hash uint32 // stable hash of the name, for the Route cookie; never 0
	When Bool   // nil: always
	End  EndKind

	// Send
	Targets   []Target
	Redirects Redirects
	From      flow.Listener // with HasFrom: the listener to send from
	HasFrom   bool

	// Reply, and Redirect (302 unless the configuration says otherwise)
	Status  int
	Reason  string
	Contact []Text // Redirect: URIs
}

// Program is the compiled main route.
type Program struct {
	Rules []Rule
	Reads Reads
}

// Reads lists what the program can read beyond the Request-URI, To, From, Call-ID and CSeq: the loop hash covers it (seams.md §1).
type Reads struct {
	Source  bool // src.*, transport, listener
	Headers []sip.HeaderID
	Names   []string // other headers, by name
}

// Decide returns the first rule that matches, or nil.
func (p *Program) Decide(f *Facts) *Rule { panic("contract") }

// Rule finds the rule named in a cookie by its hash; nil when it is gone.
func (p *Program) Rule(hash uint32) *Rule { panic("contract") }

// HashName is the stable hash (FNV-1a, never 0) used for rules, groups and listeners.
func HashName(kind, name string) uint32 { panic("contract") }
