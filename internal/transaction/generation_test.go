package transaction

import (
	"testing"

	"viaduct/internal/effect"
	"viaduct/internal/flow"
	"viaduct/internal/wheel"
	"viaduct/sip"
)

// A slot that has had 2^31 lives begins anew; the generation 0 stays that of no
// handle, and servers and clients stay apart.
func TestGenerationsWrapPastZero(t *testing.T) {
	t.Parallel()
	table := New(Config{Random: func([]byte) {}}, wheel.New(0))
	c := table.Reserve(sip.BYE)
	c.Branch.Handle = effect.MakeHandle(0, 0, 1<<32-1)
	table.Release(c)
	if got := table.Reserve(sip.BYE).Handle().Generation(); got != 1 {
		t.Errorf("client: got generation %d, want 1", got)
	}
	id := &identity{method: sip.BYE}
	s := table.newServer(0, id, flow.Flow{})
	s.handle = effect.MakeHandle(0, 0, 1<<32-2)
	table.freeServer(s)
	if got := table.newServer(0, id, flow.Flow{}).Handle().Generation(); got != 2 {
		t.Errorf("server: got generation %d, want 2", got)
	}
}
