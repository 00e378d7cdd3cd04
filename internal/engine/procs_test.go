package engine

import (
	"testing"
	"time"
)

// A quiet process runs on one processor after a second, a busy one gets all of
// them with the first look.
func TestGovernor(t *testing.T) {
	t.Parallel()
	g := &governor{most: 4, now: 4}
	at, spent := time.Second, time.Duration(0)
	look := func(busy float64) int {
		at += 50 * time.Millisecond
		spent += time.Duration(busy * float64(50*time.Millisecond))
		return g.look(at, spent)
	}
	if n := g.look(at, spent); n != 4 {
		t.Fatalf("%d processors after the first look, want 4", n)
	}
	for i := range 19 {
		if n := look(0.1); n != 4 {
			t.Fatalf("%d processors after %d quiet looks, want 4", n, i+1)
		}
	}
	if n := look(0.1); n != 1 {
		t.Errorf("%d processors after a quiet second, want 1", n)
	}
	if n := look(0.5); n != 1 {
		t.Errorf("%d processors at half of one, want 1", n)
	}
	if n := look(0.9); n != 4 {
		t.Errorf("%d processors when one is full, want 4", n)
	}
	for range 100 {
		if n := look(0.5); n != 4 {
			t.Fatal("not quiet enough, and yet fewer processors")
		}
	}
}
