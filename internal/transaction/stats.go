package transaction

// Kind is one of the four kinds of transaction.
type Kind uint8

// The kinds, one for each machine.
const (
	InviteServer Kind = iota
	NonInviteServer
	InviteClient
	NonInviteClient
	NumKinds
)

var kindNames = [NumKinds]string{"invite_server", "non_invite_server", "invite_client", "non_invite_client"}

// String is the value of the metric label "kind".
func (k Kind) String() string { return kindNames[k] }

// KindStats are the numbers of one kind. The CANCEL of an INVITE client counts as
// NonInviteClient in all but Live, since it has no slot of its own.
type KindStats struct {
	Live          int    // now
	Started       uint64 // since start, as the following
	TimedOut      uint64 // timers B, F and H; a NonInviteServer that nobody answered
	Retransmitted uint64 // messages that this side sent again
	Absorbed      uint64 // copies from the other side that went no further
}

// Stats are counters since start and gauges of now.
type Stats struct {
	Servers, Clients                                     int
	UnderWay                                             int // of both, those without a final response
	Bytes                                                int // kept message bytes
	ServerRetransmissions, ClientRetransmissions         uint64
	TimedOut, ServerTimedOut, Strays, AbsorbedDuplicates uint64
	Full                                                 uint64
	Kinds                                                [NumKinds]KindStats
}

// Stats returns the numbers of this table.
func (t *Table) Stats() Stats {
	k := &t.kinds
	s := Stats{
		Servers:               t.servers.Used(),
		Clients:               t.clients.Used(),
		UnderWay:              t.open,
		Bytes:                 t.bytes.Held(),
		ServerRetransmissions: k[InviteServer].Retransmitted + k[NonInviteServer].Retransmitted,
		ClientRetransmissions: k[InviteClient].Retransmitted + k[NonInviteClient].Retransmitted,
		TimedOut:              k[InviteClient].TimedOut + k[NonInviteClient].TimedOut,
		ServerTimedOut:        k[InviteServer].TimedOut + k[NonInviteServer].TimedOut,
		Strays:                t.strays,
		Full:                  t.refused,
		Kinds:                 t.kinds,
	}
	for i := range k {
		s.AbsorbedDuplicates += k[i].Absorbed
	}
	return s
}
