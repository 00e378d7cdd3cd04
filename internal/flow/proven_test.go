package flow

import "testing"

// Proves: SE-16
func TestProven(t *testing.T) {
	t.Parallel()
	d := MakeProven([]string{"a.example", "b.example", "*.c.example"})
	for host, want := range map[string]bool{
		"a.example": true, "B.Example": true, "b.example.": true,
		"": false, ".": false, "example": false, "x.a.example": false, "a.example b.example": false, "x.c.example": false, "*.c.example": false,
	} {
		if got := d.Proves([]byte(host)); got != want {
			t.Errorf("%q: %v", host, got)
		}
	}
	if none := MakeProven(nil); !none.IsZero() || none.Proves([]byte("a.example")) || none.Proves(nil) {
		t.Error("nobody proves something")
	}
	if h := (Flow{Domain: d}).Hop(); !h.Domain.IsZero() {
		t.Error("the way back has something to prove")
	}
}

func TestProvesAllocatesNothing(t *testing.T) {
	d, host := MakeProven([]string{"a.example", "b.example"}), []byte("B.example")
	if n := testing.AllocsPerRun(100, func() { d.Proves(host) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
