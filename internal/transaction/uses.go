package transaction

import "viaduct/internal/flow"

// Uses looks at up to n slots from the one numbered at and reports whether a
// transaction there came by listener l or went by it. next is where to go on; 0
// when all have been looked at. A listener that a reload removed is kept for them.
func (t *Table) Uses(l flow.Listener, at, n uint32) (next uint32, used bool) {
	end := at + n
	for ; at < end; at++ {
		server, client := t.servers.Has(at), t.clients.Has(at)
		if !server && !client {
			return 0, false
		}
		if server {
			if s := t.servers.At(at); s.live() && s.Reply.Listener == l {
				return 0, true
			}
		}
		if client {
			if c := t.clients.At(at); c.live() && c.Hop.Listener == l {
				return 0, true
			}
		}
	}
	return at, false
}
