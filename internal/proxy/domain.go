package proxy

import (
	"bytes"

	"viaduct/internal/flow"
)

// domains are the hosts that TLS peers had to prove to be of late, so that
// naming one again allocates nothing.
type domains [64]flow.Domain

// of is the flow.Domain of a host.
func (d *domains) of(host []byte) flow.Domain {
	h := uint32(2166136261) // FNV-1a, without regard to case
	for _, b := range host {
		h = (h ^ uint32(b|0x20)) * 16777619
	}
	at := &d[h%uint32(len(d))]
	if !bytes.EqualFold([]byte(at.String()), host) {
		*at = flow.MakeDomain(host)
	}
	return *at
}
