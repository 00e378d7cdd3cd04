package proxy_test

import (
	"strings"
	"testing"
	"time"

	"viaduct/internal/auth"
)

// A source that never answers holds nothing for ever: an INVITE is answered by
// limits.ring, another request by nobody when its transaction has ended; what comes
// then finds nobody.
func TestTheUserAnswersTooLate(t *testing.T) {
	t.Parallel()
	for method, want := range map[string]int{"INVITE": 408, "MESSAGE": 0} {
		g := newGate(t, oneRealm)
		start := method + " sip:bob@example.org SIP/2.0"
		challenge := g.refused(g.receive(aliceAt, g.compose(start, fromAlice, atAlice)), 407)
		g.sources["example.org"].answer = auth.Ask
		g.receive(aliceAt, g.compose(start, fromAlice, atAlice, g.answerFor(challenge, "Proxy-Authorization", "alice", "secret", method, "sip:bob@example.org")))
		ask := g.asked()
		final := 0
		for _, x := range g.pass(11 * time.Minute) {
			if x.Status >= 200 {
				final = x.Status
			}
		}
		if final != want {
			t.Errorf("%s: got %d, want %d", method, final, want)
		}
		if !g.core.Idle() {
			t.Errorf("%s left: %+v", method, g.core.Stats().Contexts)
		}
		g.sources["example.org"].answer = auth.Known
		g.silent(g.told(ask))
	}
}

// gateAsking is a gate whose source has to be asked, and an INVITE with credentials
// that has been asked for.
func gateAsking(t *testing.T, password string) (g *gate, invite string) {
	t.Helper()
	g = newGate(t, oneRealm)
	mine := g.answerTo(g.refused(g.call(), 407), "alice", password)
	g.sources["example.org"].answer = auth.Ask
	invite = g.invitation(mine)
	g.silent(g.receive(aliceAt, invite))
	return g, invite
}

// Copies of what waits put no question, and an INVITE's is told that it has come;
// the answer is given once, and again to copies that follow it.
func TestCopiesOfWhatWaitsForAUser(t *testing.T) {
	t.Parallel()
	g, invite := gateAsking(t, "secret")
	ask := g.asked()
	for range 3 {
		list := g.receive(aliceAt, invite)
		if len(list) != 1 || list[0].Status != 100 || len(g.fx.Asks) != 0 {
			t.Fatalf("a copy drew %d messages and %d questions", len(list), len(g.fx.Asks))
		}
	}
	g.sources["example.org"].answer = auth.Known
	x := g.relayed(g.told(ask), bobAt)
	g.silent(g.told(ask)) // once
	list := g.receive(bobAt, answer(x, "486 Busy Here"))
	busy := list[len(list)-1]
	if y := g.one(g.receive(aliceAt, invite)); y.Status != 486 || y.Wire != busy.Wire {
		t.Errorf("a copy after the answer drew %s", what(y))
	}
}

// Who has waited and is refused was told 100, and so the refusal is repeated until
// it has arrived (RFC 3261 §17.2.1).
func TestARefusalAfterAWaitArrives(t *testing.T) {
	t.Parallel()
	g, invite := gateAsking(t, "wrong")
	ask := g.asked()
	g.pass(200 * time.Millisecond)
	g.sources["example.org"].answer = auth.Known
	x := g.refused(g.told(ask), 407)
	copies := g.pass(1600 * time.Millisecond)
	if len(copies) != 2 || copies[0].Wire != x.Wire {
		t.Fatalf("%d copies of the refusal, want 2", len(copies))
	}
	ack := strings.NewReplacer("INVITE sip", "ACK sip", " INVITE\r", " ACK\r", "To: <sip:bob@example.org>", "To: "+x.Get("to")).Replace(invite)
	g.silent(g.receive(aliceAt, ack))
	g.silent(g.pass(40 * time.Second))
	if !g.core.Idle() {
		t.Errorf("left: %+v", g.core.Stats())
	}
}

// Who was told nothing while it waited is refused like one that has not: nothing is
// kept, and a copy is refused again.
func TestARefusalAfterASilentWaitKeepsNothing(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"INVITE", "MESSAGE", "REGISTER"} {
		g := newGate(t, registering)
		uri, header, status := "sip:bob@example.org", "Proxy-Authorization", 407
		if method == "REGISTER" {
			uri, header, status = "sip:example.org", "Authorization", 401
		}
		lines := []string{fromAlice, atAlice, "To: <sip:alice@example.org>"}
		challenge := g.refused(g.receive(aliceAt, g.compose(method+" "+uri+" SIP/2.0", lines...)), status)
		wrong := g.compose(method+" "+uri+" SIP/2.0", append(lines, g.answerFor(challenge, header, "alice", "guess", method, uri))...)
		for range 2 {
			g.sources["example.org"].answer = auth.Ask
			g.silent(g.receive(aliceAt, wrong))
			ask := g.asked()
			g.sources["example.org"].answer = auth.Known
			g.refused(g.told(ask), status)
			if !g.core.Idle() {
				t.Errorf("%s left: %+v", method, g.core.Stats())
			}
		}
	}
}

// A CANCEL ends a wait, the first of a request as well as the second; an answer
// that comes later finds nobody.
func TestCancelWhileAUserIsAskedFor(t *testing.T) {
	t.Parallel()
	for waits := 1; waits <= 2; waits++ {
		g := newGate(t, twoRealms)
		challenge := g.refused(g.call("Call-ID: other"), 407)
		both := g.passTwo("alice", "bob")
		both[0] = g.answerTo(challenge, "alice", "secret")
		for _, s := range g.sources {
			s.answer = auth.Ask
		}
		invite := g.invitation(both...)
		g.receive(aliceAt, invite)
		ask := g.asked()
		if waits == 2 {
			g.sources["example.org"].answer = auth.Known
			g.silent(g.told(ask))
			ask = g.asked()
		}
		list := g.receive(aliceAt, cancelOf(invite))
		if len(list) != 2 || list[0].Status != 200 || list[1].Status != 487 {
			t.Fatalf("wait %d: CANCEL drew %d messages", waits, len(list))
		}
		for _, s := range g.sources {
			s.answer = auth.Known
		}
		g.silent(g.told(ask))
		if n := g.core.Stats().LateAnswers; n != 1 {
			t.Errorf("%d late answers", n)
		}
		ack := strings.NewReplacer("INVITE sip", "ACK sip", " INVITE\r", " ACK\r", "To: <sip:bob@example.org>", "To: "+list[1].Get("to")).Replace(invite)
		g.silent(g.receive(aliceAt, ack))
		g.pass(40 * time.Second)
		if !g.core.Idle() {
			t.Errorf("left: %+v", g.core.Stats())
		}
	}
}

// A source that is down is not the caller's fault: 503 with Retry-After and no
// challenge, at once and without a trace where that is known; afterwards the same
// credentials are good.
func TestASourceThatIsDown(t *testing.T) {
	t.Parallel()
	for _, asked := range []bool{false, true} {
		g := newGate(t, oneRealm)
		mine := g.answerTo(g.refused(g.call(), 407), "alice", "secret")
		g.sources["example.org"].answer = auth.Failed
		if asked {
			g.sources["example.org"].answer = auth.Ask
		}
		list := g.call(mine)
		if asked {
			ask := g.asked()
			g.sources["example.org"].answer = auth.Failed
			list = g.told(ask)
		}
		x := g.refused(list, 503)
		if !x.Has("retry-after") || x.Has("proxy-authenticate") {
			t.Errorf("asked %v: got\n%s", asked, x.Wire)
		}
		if !asked && !g.core.Idle() {
			t.Errorf("left: %+v", g.core.Stats())
		}
		g.sources["example.org"].answer = auth.Known
		g.relayed(g.call(mine, "Call-ID: again"), bobAt)
	}
}

// Guesses at a user who has to be asked for are throttled before anybody is asked:
// strangers cannot make the server ask as fast as they like.
func TestGuessesAskNobody(t *testing.T) {
	t.Parallel()
	g := newGate(t, oneRealm)
	wrong := g.answerTo(g.refused(g.call(), 407), "alice", "guess")
	source := g.sources["example.org"]
	asked, refused := 0, 0
	for range 30 {
		source.answer = auth.Ask
		list := g.receive(aliceAt, g.invitation(wrong))
		if len(g.fx.Asks) == 1 {
			asked++
			ask := g.asked()
			source.answer = auth.Known
			list = g.told(ask)
			g.refused(list, 407)
			continue
		}
		refused++
		if x := g.refused(list, 503); !x.Has("retry-after") || x.Has("proxy-authenticate") {
			t.Errorf("got\n%s", x.Wire)
		}
	}
	if asked != 20 || refused != 10 {
		t.Errorf("%d guesses were asked for and %d refused, want 20 and 10", asked, refused)
	}
	if v := g.core.Stats().Verdicts; v[auth.Throttled] != 10 || v[auth.Wrong] != 20 {
		t.Errorf("counted: %v", v)
	}
}
