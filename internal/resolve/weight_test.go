package resolve

import (
	"fmt"
	"net/netip"
	"testing"

	"viaduct/internal/flow"
)

// RFC 2782: weights share out the requests among the targets of one priority, and
// those of another have no part in it.
func TestWeightsOfOnePriority(t *testing.T) {
	t.Parallel()
	at := func(name string, priority, weight uint16, n int) target {
		return newTarget(name, priority, weight, []netip.AddrPort{netip.MustParseAddrPort(fmt.Sprintf("192.0.2.%d:5060", n))})
	}
	h := newHops(flow.UDP, []target{at("a", 1, 10, 1), at("b", 1, 10, 2), at("c", 1, 0, 3), at("d", 2, 60_000, 4)})
	first, second := map[string]int{}, map[string]int{}
	const walks = 4000
	for i := range uint64(walks) {
		it := h.Iterator(i * 0x9e3779b97f4a7c15)
		_, to, _ := it.Next()
		first[to.Addr().String()]++
		_, to, _ = it.Next()
		second[to.Addr().String()]++
	}
	if a, b, c := first["192.0.2.1"], first["192.0.2.2"], first["192.0.2.3"]; a < walks*2/5 || b < walks*2/5 || c == 0 || c > walks/10 || a+b+c != walks {
		t.Errorf("first came %v", first)
	}
	if second["192.0.2.4"] != 0 {
		t.Errorf("the other priority was tried second %d times", second["192.0.2.4"])
	}
}
