package policy

import (
	"time"

	"viaduct/internal/flow"
	"viaduct/sip"
)

// Bool, Text and Number are compiled expressions: pure, total, 0 allocations.
// A field that is absent reads as the empty text, 0 or false.
type (
	Bool   func(*Facts) bool
	Text   func(*Facts) []byte // valid until the next decision begins; not to be written to
	Number func(*Facts) int64
)

// Redirects says what a 3xx does.
type Redirects uint8

const (
	RedirectsDefault Redirects = iota // as the server block says
	RedirectsPass                     // it is a response like any other
	RedirectsOwn                      // its Contacts of own domains are tried
	RedirectsFollow                   // its Contacts are tried
)

// TargetKind of a Target in a send.
type TargetKind uint8

const (
	ToRequestURI TargetKind = iota + 1 // send = request_uri
	ToURI                              // send = "sip:…"
	ToGroup                            // send = group.X
	ToLocation                         // send = location, or location("sip:…")
)

// Target is one value of `send`.
type Target struct {
	Kind  TargetKind
	URI   Text // ToURI: a whole SIP URI. ToLocation: the address of record; nil for the Request-URI
	Group *Group
	Q     int // thousandths; 1000 unless the configuration says otherwise
}

// Group is a named list of targets. Members are the literal hosts of its
// targets, for within(ip, group.X).
type Group struct {
	Name    string
	Hash    uint32 // HashName("group", Name), for the Route cookie
	Targets []GroupTarget
	Members *Prefixes
	Balance Balance
	Key     Number // with BalanceHash: requests with one key get one target
}

// GroupTarget is one `target` block.
type GroupTarget struct {
	URI  []byte
	Name string
	Q    int // thousandths, default 1000: targets of equal q are called at once, lower ones after (RFC 3261 §16.6)
}

// EndKind is how a rule ends.
type EndKind uint8

const (
	NoEnd EndKind = iota
	Send
	Reply
	Drop
	Redirect
	ToRegister // register {}
	Jump       // the rules of a route follow; there is no way back
	Next       // the edits stay, and the following rule is tried
)

// Setting is a bool that may be left to the proxy.
type Setting uint8

const (
	Unset Setting = iota
	Yes
	No
)

// Methods is a set of methods. The zero Methods is not set and lets all pass.
type Methods uint32

// With is s and m.
func (s Methods) With(m sip.Method) Methods { return s | 1<<m }

// Allows reports whether m is in the set, or the set is not set. A method that is
// none of package sip's is in no set.
func (s Methods) Allows(m sip.Method) bool { return s == 0 || m != sip.OtherMethod && s>>m&1 != 0 }

// End is how a rule, or an `otherwise` of one, ends.
type End struct {
	Kind EndKind

	// Send
	Targets     []Target
	Redirects   Redirects
	From        flow.Listener // with HasFrom: the listener to send from
	HasFrom     bool
	Ring        time.Duration // how long the targets of this end may ring; 0: no limit of its own
	RecordRoute Setting       // Unset: as the RFC says for the method
	Path        bool          // a REGISTER gets our Path value (RFC 3327)
	InDialog    Methods       // what may follow in the dialog
	Otherwise   []Otherwise   // what is done when it fails, in file order

	// Reply, and Redirect (302 unless the configuration says otherwise)
	Status  int
	Reason  string // "" for the RFC's phrase of Status
	Contact []Text // Redirect: URIs

	Register Register // ToRegister
	Route    int      // Jump: index in Program.Routes
}

// Register is how a registrar treats what it takes (RFC 3261 §10.3).
type Register struct {
	MaxContacts  int           // bindings of an address of record
	MinExpires   time.Duration // less is refused with 423
	MaxExpires   time.Duration // more is shortened
	OnDisconnect OnDisconnect
	Keepalive    Keepalive
	ServiceRoute string // value of Service-Route in each 200 (RFC 3608), "": none
	AnyPath      bool   // a Path is taken from clients that do not say they support it (RFC 3327 §5.3)
	NoGRUU       bool   // nobody is given a GRUU (RFC 5627)
}

// OnDisconnect says what becomes of a binding whose connection has ended.
type OnDisconnect uint8

const (
	KeepBinding   OnDisconnect = iota // until it expires: its Contact may still be reached
	RemoveBinding                     // at once
)

// Keepalive is what is sent to a registered flow so that a NAT keeps it open.
type Keepalive uint8

const (
	KeepaliveCRLF Keepalive = iota
	KeepaliveOptions
	NoKeepalive
)

// Rule is one compiled rule, in the order in which its parts take effect.
type Rule struct {
	Name string
	Hash uint32 // HashName("rule", Name) or RouteRuleHash, for the Route cookie; never 0

	// InviteOnly: what it reads, the CANCEL and the ACK of an INVITE do not carry.
	// They are not asked: an INVITE that such a rule took has gone nowhere.
	InviteOnly bool

	When            Bool // nil: always
	Let             []Let
	Authenticate    *Authenticate // nil: nobody is asked
	Deny            []Deny
	Set             *SetDest // nil: the Request-URI stays
	Headers         []Edit   // of the request
	ResponseHeaders []Edit   // of what goes upstream
	End
}

// Deny refuses a request that its rule would take.
type Deny struct {
	When   Bool
	Status int
	Reason string // "" for the RFC's phrase of Status
}

// Route is a named list of rules that others jump to.
type Route struct {
	Name  string
	Rules []Rule
}

// Program is the compiled routing.
type Program struct {
	Rules  []Rule // the main route
	Routes []Route
	Realms []*Realm // by their ID
	Reads  Reads
}

// Reads lists what the program can read beyond the Request-URI, To, From,
// Call-ID, CSeq, Route, Proxy-Require and Proxy-Authorization. The loop hash
// covers it: otherwise a spiral whose decision depends on another header field
// gets a false 482 (RFC 3261 §16.6 step 8, RFC 5393 §4.2.1). What a table is
// asked with is among the fields; a program that authenticates reads Authorization.
type Reads struct {
	Source  bool           // src.*, transport, listener, session
	Time    bool           // time.*: not of the message, so that it is not hashed
	Headers []sip.HeaderID // each once
	Names   []string       // other header fields, by name in lower case, each once
}

// Rule finds the rule named in a cookie by its hash, in the main route or in any
// other; nil when it is gone.
func (p *Program) Rule(hash uint32) *Rule {
	for r := range p.All {
		if r.Hash == hash {
			return r
		}
	}
	return nil
}

// All goes through the rules of the main route and then of all others.
func (p *Program) All(yield func(*Rule) bool) {
	for i := range p.Rules {
		if !yield(&p.Rules[i]) {
			return
		}
	}
	for i := range p.Routes {
		rules := p.Routes[i].Rules
		for j := range rules {
			if !yield(&rules[j]) {
				return
			}
		}
	}
}

// Groups goes through the groups that a rule, or an `otherwise` of one, sends to;
// one that several name comes as often.
func (p *Program) Groups(yield func(*Group) bool) {
	for r := range p.All {
		if !r.groups(yield) {
			return
		}
	}
}

func (e *End) groups(yield func(*Group) bool) bool {
	for i := range e.Targets {
		if g := e.Targets[i].Group; g != nil && !yield(g) {
			return false
		}
	}
	for i := range e.Otherwise {
		if !e.Otherwise[i].groups(yield) {
			return false
		}
	}
	return true
}
