package overload

import (
	"testing"
	"time"

	"viaduct/internal/clock"
)

// Offered several times what it can do, a reader that answers each refusal at a
// tenth of the price of a call comes to a share that leaves it nine tenths for calls.
func TestValveLeavesTimeForCalls(t *testing.T) {
	t.Parallel()
	for _, times := range []int{2, 4, 10, 40} {
		const room = 1000 // calls in an interval
		var v Valve
		now, taken := clock.Instant(0), 0
		for range 60 {
			now = now.Add(Interval)
			let := times * room
			if share := v.Share(); share != 0 {
				let = int(uint64(let) * uint64(share) >> 32)
			}
			// taken + refused/10 = room, and taken + refused = let
			taken = min(max((room*10-let)/9, let/(through+1)), let)
			for range taken {
				v.note(Take)
			}
			for range let - taken {
				v.note(Refuse)
			}
			v.Step(now)
		}
		if taken < room*9/10 {
			t.Errorf("at %d times what it can do: %d of %d", times, taken, room)
		}
	}
}

func TestValveOpensAgain(t *testing.T) {
	t.Parallel()
	var v Valve
	now := clock.Instant(0).Add(time.Second)
	for range 2 * steepest / quickest { // it rests after each rise
		for range 100 {
			v.note(Refuse)
		}
		if over, _ := v.Step(now); !over {
			t.Fatal("an interval is not over")
		}
		if over, _ := v.Step(now.Add(Interval / 2)); over {
			t.Fatal("half an interval is over")
		}
		now = now.Add(Interval)
	}
	if v.Share() != 1<<26 {
		t.Errorf("the least share is %d", v.Share())
	}
	for range steepest / 2 {
		if _, changed := v.Step(now); !changed {
			t.Error("stays where it is")
		}
		now = now.Add(Interval)
	}
	if v.Share() != 0 {
		t.Errorf("lets only %d through", v.Share())
	}
}

// As long as there is something in front of the queue the gate cannot tell that the
// queue is short for other reasons.
func TestBehindAsLongAsTheValveIsNotOpen(t *testing.T) {
	t.Parallel()
	var g Gate
	now := clock.Instant(0).Add(time.Second)
	g.Observe(now, time.Second, true)
	g.Judge(Call, 0)
	g.Valve.Step(now)
	for g.Valve.Share() != 0 {
		g.Observe(now, 0, false)
		if now = now.Add(Interval); !g.Behind() {
			t.Fatal("takes everything")
		}
		g.Valve.Step(now)
	}
	if g.Observe(now, 0, false); g.Behind() {
		t.Error("is still behind")
	}
}
