package auth

import (
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"time"
	"unsafe"
)

// guess gives wrong passwords for a user until it is throttled, at most n, and
// returns how many were looked at.
func (b *bench) guess(user string, n int) (looked int) {
	b.t.Helper()
	a := b.answer()
	a.user, a.password = user, "guess"
	for range n {
		switch got := b.give(a); got {
		case Wrong:
			looked++
		case Throttled:
			return looked
		default:
			b.t.Fatalf("got %v", got)
		}
	}
	return looked
}

func TestGuessesForAnAccountAreThrottled(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	addr := netip.MustParseAddr("198.51.100.0")
	looked := 0
	for range 100 { // each from another source
		addr = addr.Next()
		b.from = addr
		looked += b.guess("alice", 1)
	}
	if looked != 20 {
		t.Errorf("looked at %d guesses, want 20", looked)
	}
	b.want(b.give(b.answer()), Throttled) // even the right one, or it would tell
	b.now = b.now.Add(50 * time.Millisecond)
	if got := b.guess("alice", 5); got != 1 {
		t.Errorf("after 50 ms looked at %d guesses, want 1", got)
	}
	b.now = b.now.Add(time.Minute)
	b.want(b.give(b.answer()), Good)
}

func TestGuessesFromASourceAreThrottled(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name         string
		from, other  string
		otherBlocked bool
	}{
		{"an address", "192.0.2.7", "192.0.2.8", false},
		{"an address twice written", "192.0.2.7", "::ffff:192.0.2.7", true},
		{"a /64", "2001:db8::1", "2001:db8::ffff:1", true},
		{"another /64", "2001:db8::1", "2001:db8:0:1::1", false},
	} {
		b := newBench(t, nil)
		b.from = netip.MustParseAddr(c.from)
		looked := 0
		for i := range 100 { // each for another account
			looked += b.guess(fmt.Sprintf("user%d", i), 1)
		}
		if looked != 20 {
			t.Errorf("%s: looked at %d guesses, want 20", c.name, looked)
		}
		b.from = netip.MustParseAddr(c.other)
		want := Good
		if c.otherBlocked {
			want = Throttled
		}
		b.want(b.give(b.answer()), want)
	}
}

func TestAnUnknownAccountIsThrottledLikeAKnownOne(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	known := b.guess("alice", 100)
	b = newBench(t, nil)
	b.h = nil
	if unknown := b.guess("nobody", 100); unknown != known {
		t.Errorf("known: %d looks, unknown: %d", known, unknown)
	}
}

func TestNobodyLocksAUserOut(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.want(b.give(b.answer()), Good)
	b.from = netip.MustParseAddr("198.51.100.1")
	b.guess("alice", 100)
	b.want(b.give(b.answer()), Throttled)
	b.from = source // alice's phone is known there
	b.want(b.give(b.answer()), Good)
	b.guess("bob", 100) // nor does a neighbour behind the same NAT
	b.want(b.give(b.answer()), Good)
	if got := b.guess("alice", 100); got != 20 { // but there, too, guesses are bounded
		t.Errorf("looked at %d guesses, want 20", got)
	}
	b.want(b.give(b.answer()), Throttled)
	b.now = b.now.Add(2 * time.Second)
	b.want(b.give(b.answer()), Good)
	b.now = b.now.Add(time.Hour + time.Second) // known no longer
	b.from = netip.MustParseAddr("198.51.100.1")
	b.guess("alice", 100)
	b.from = source
	b.want(b.give(b.answer()), Throttled)
}

func TestNoncesMadeBeforeTheGuardCountAsUsed(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	a := b.answer()
	b.now = b.now.Add(10 * time.Second)
	b.v.guard = NewGuard(GuardConfig{}, b.now) // a restart
	b.want(b.give(a), Stale)
	b.want(b.give(b.answer()), Good)
}

func TestAtTheBoundNoNonceIsGoodTwice(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.v.guard = NewGuard(GuardConfig{Nonces: 8}, start)
	var used, spare []answer
	for range 30 {
		a := b.answer()
		spare = append(spare, b.answer())
		b.want(b.give(a), Good)
		used = append(used, a)
		b.now = b.now.Add(time.Second)
	}
	for i, a := range used {
		if got := b.give(a); got != Stale {
			t.Errorf("nonce %d again: got %v, want %v", i, got, Stale)
		}
	}
	b.want(b.give(spare[0]), Stale) // as old as one that was forgotten
	b.want(b.give(spare[29]), Good)
	stats := b.v.guard.Stats(b.now)
	if stats.Nonces != 8 || stats.MaxNonces != 8 || stats.Evicted != 23 {
		t.Errorf("stats %+v", stats)
	}
}

func TestTheGuardTellsHowFullItIs(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.want(b.give(b.answer()), Good)
	b.guess("bob", 100)
	got := b.guard.Stats(b.now)
	want := GuardStats{Nonces: 1, MaxNonces: 1 << 18, Accounts: 1, Sources: 1, Friends: 1, MaxMarks: 1 << 14, Blocked: 1}
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	b.now = b.now.Add(2 * time.Hour)
	want = GuardStats{MaxNonces: 1 << 18, MaxMarks: 1 << 14, Blocked: 1}
	if got := b.guard.Stats(b.now); got != want {
		t.Errorf("later: got %+v, want %+v", got, want)
	}
}

func TestAtTheBoundTheQuietestMarkGoes(t *testing.T) {
	t.Parallel()
	table := newMarkTable(bucketSize)
	for i := range uint64(bucketSize) {
		table.push(i+1, start.Add(time.Duration(i)), time.Second)
	}
	table.push(1, start.Add(time.Minute), time.Second)
	table.push(99, start.Add(time.Minute), time.Second)
	if table.at(2) != 0 || table.at(1) == 0 || table.at(3) == 0 || table.at(99) == 0 {
		t.Error("another one went")
	}
}

// A nonce's state is shared: of many shards that are given one nc, one takes it.
func TestShardsAgreeOnANonce(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	a := b.answer()
	verdicts := make([]Verdict, 8)
	var all sync.WaitGroup
	for i := range verdicts {
		all.Go(func() {
			other := *b
			other.v = NewVerifier(b.guard, counter())
			other.c = Credentials{}
			verdicts[i] = other.give(a)
		})
	}
	all.Wait()
	good := 0
	for _, v := range verdicts {
		if v == Good {
			good++
		}
	}
	if good != 1 {
		t.Errorf("%d shards took it: %v", good, verdicts)
	}
}

func TestTheSizeOfTheTables(t *testing.T) {
	t.Parallel()
	if s := unsafe.Sizeof(usedNonce{}); s > 32 {
		t.Errorf("a nonce takes %d bytes", s)
	}
	if s := unsafe.Sizeof(mark{}); s > 16 {
		t.Errorf("a mark takes %d bytes", s)
	}
	for size, want := range map[int]int{0: 1, 1: 1, 8: 1, 9: 1, 16: 2, 24: 4, 1 << 16: 1 << 13} {
		if got := bucketsFor(size); got != want {
			t.Errorf("%d entries: %d buckets, want %d", size, got, want)
		}
	}
}
