package location

import (
	"bytes"

	"viaduct/internal/clock"
	"viaduct/internal/flow"
)

// Binding is one way to reach an AOR (RFC 3261 §10): the Contact with all that
// was told about it. Who hands one in keeps its bytes; those handed out are
// views that are valid as long as what they came from (Found, Edit).
type Binding struct {
	// ID is the directory's: given when the binding is added, kept while it is
	// refreshed or replaced, never given again, not even after a restart.
	ID uint64

	Contact   []byte // the URI as registered
	Params    []byte // the Contact's parameters as written, from the first ';', those left out that the registrar sets anew (q, expires, GRUUs)
	CallID    []byte
	Path      []byte // the Path values of the REGISTER (RFC 3327), in order, joined by commas; empty: none
	Instance  []byte // +sip.instance without quotes and angle brackets; empty: none
	UserAgent []byte // empty: not told

	Expires clock.Instant // gone from here on
	Updated clock.Instant // the last REGISTER: the most recently refreshed is preferred (RFC 5627 §6.1)

	// Since is when the series of temporary GRUUs began that are still valid, in
	// milliseconds of the wall clock: the first REGISTER with the present Call-ID
	// (RFC 5627 §5.3). A temporary GRUU made before is not valid any more. So no
	// history of Call-IDs is needed: when the binding goes, its series goes too.
	Since int64

	CSeq  uint32
	RegID uint32 // RFC 5626 reg-id, 0: none
	Q     uint16 // thousandths: 1000 is q=1
	Flags Flags
	Flow  flow.Flow // where the REGISTER came from, when the first hop is ours; zero: not known
}

// Flags say how a binding is reached.
type Flags uint8

// The flags of a binding.
const (
	NAT       Flags = 1 << iota // its Contact is not where it is: it is reached by its flow alone
	Outbound                    // RFC 5626: keyed by instance and reg-id, reached by its flow or Path
	Keepalive                   // the server sends keepalives into its flow
)

// ByFlow reports whether the binding is reached by its flow and by nothing else,
// so that it ends with the flow (RFC 5626 §7).
func (b *Binding) ByFlow() bool {
	return b.Flags&(NAT|Outbound) != 0 && b.Flow.Remote.IsValid() && len(b.Path) == 0
}

// refreshes reports whether b differs from old in nothing but what every
// refresh changes. Nearly all REGISTERs do only that.
func (b *Binding) refreshes(old *Binding) bool {
	return b.Q == old.Q && b.Flags == old.Flags && b.RegID == old.RegID && b.Since == old.Since &&
		same(b.Flow, old.Flow) && b.Flow.Listener == old.Flow.Listener &&
		bytes.Equal(b.Contact, old.Contact) && bytes.Equal(b.Params, old.Params) &&
		bytes.Equal(b.CallID, old.CallID) && bytes.Equal(b.Path, old.Path) &&
		bytes.Equal(b.Instance, old.Instance) && bytes.Equal(b.UserAgent, old.UserAgent)
}

// Found is what a lookup found; use one again and again, so that lookups do not
// allocate. Its bindings are copies, in the order in which they are to be tried:
// by q, the most recently refreshed first among equals.
type Found struct {
	Bindings []Binding
	bytes    []byte // packed
	aor      []byte
}

// sort puts higher q first (RFC 3261 §16.5), then the more recent. There are few,
// and they are nearly sorted: a plain insertion sort.
func (f *Found) sort() {
	b := f.Bindings
	for i := 1; i < len(b); i++ {
		for j := i; j > 0 && before(&b[j], &b[j-1]); j-- {
			b[j], b[j-1] = b[j-1], b[j]
		}
	}
}

func before(a, b *Binding) bool {
	if a.Q != b.Q {
		return a.Q > b.Q
	}
	if a.Updated != b.Updated {
		return a.Updated > b.Updated
	}
	return a.ID > b.ID
}
