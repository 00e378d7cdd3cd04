package policy

import (
	"viaduct/internal/flow"
	"viaduct/sip"
)

// Bool, Text and Number are compiled expressions: pure, total, 0 allocations.
// A field that is absent reads as the empty text, 0 or false.
type (
	Bool   func(*Facts) bool
	Text   func(*Facts) []byte // valid until the next Decide; not to be written to
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
)

// Target is one value of `send`.
type Target struct {
	Kind  TargetKind
	URI   Text // ToURI: a whole SIP URI
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
	NoMatch EndKind = iota // no rule matched: own domain 404, anything else 403
	Send
	Reply
	Drop
	Redirect
)

// Rule is one compiled rule.
type Rule struct {
	Name string
	Hash uint32 // HashName("rule", Name), for the Route cookie; never 0
	When Bool   // nil: always
	End  EndKind

	// Send
	Targets   []Target
	Redirects Redirects
	From      flow.Listener // with HasFrom: the listener to send from
	HasFrom   bool

	// InviteOnly: what it reads, the CANCEL and the ACK of an INVITE do not carry.
	// They are not asked: an INVITE that such a rule took has gone nowhere.
	InviteOnly bool

	// Reply, and Redirect (302 unless the configuration says otherwise)
	Status  int
	Reason  string // "" for the RFC's phrase of Status
	Contact []Text // Redirect: URIs
}

// Program is the compiled main route.
type Program struct {
	Rules []Rule
	Reads Reads
}

// Reads lists what the program can read beyond the Request-URI, To, From,
// Call-ID and CSeq. The loop hash covers it: otherwise a spiral whose decision
// depends on another header field gets a false 482 (RFC 3261 §16.6 step 8,
// RFC 5393 §4.2.1).
type Reads struct {
	Source  bool           // src.*, transport, listener
	Headers []sip.HeaderID // each once
	Names   []string       // other header fields, by name in lower case, each once
}

// Decide returns the first rule that matches, or nil. It begins a decision: what
// was read and built for the last one is void.
func (p *Program) Decide(f *Facts) *Rule {
	f.reset()
	for i := range p.Rules {
		r := &p.Rules[i]
		if r.InviteOnly && f.Follows {
			continue
		}
		if r.When == nil || r.When(f) {
			return r
		}
	}
	return nil
}

// Rule finds the rule named in a cookie by its hash; nil when it is gone.
func (p *Program) Rule(hash uint32) *Rule {
	for i := range p.Rules {
		if p.Rules[i].Hash == hash {
			return &p.Rules[i]
		}
	}
	return nil
}
