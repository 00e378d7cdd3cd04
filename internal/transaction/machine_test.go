package transaction

import (
	"flag"
	"fmt"
	"math/bits"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the golden tables")

var stateNames = [numStates]string{
	"none", "idle", "calling", "trying", "proceeding", "completed", "confirmed",
	"accepted", "finished", "terminated",
}

var eventNames = [numEvents]string{
	"start", "request", "ACK", "1xx", "2xx", "3xx-6xx", "resend timer", "life timer",
	"cancel", "finish", "broken",
}

var doNames = []string{
	"stop resending", "stop B", "send", "keep", "resend", "shrink", "send ACK, keep it", "forget", "owe CANCEL",
	"disown CANCEL", "send owed CANCEL", "start A", "start E", "start E at T2", "start G", "start B", "start F", "start H",
	"start L", "start M", "start D", "start J", "start I", "start K", "start age", "hasten", "pass up", "inform of timeout",
	"tell end", "rest", "free",
}

func (d do) names() string {
	var names []string
	for ; d != 0; d &= d - 1 {
		names = append(names, doNames[bits.TrailingZeros32(uint32(d))])
	}
	return strings.Join(names, ", ")
}

var allMachines = []struct {
	name string
	m    *machine
}{
	{"invite_server", &inviteServer},
	{"non_invite_server", &nonInviteServer},
	{"invite_client", &inviteClient},
	{"non_invite_client", &nonInviteClient},
}

// print writes m as text: a line for each arrow of the figure.
func (m *machine) print() string {
	var b strings.Builder
	for s := range m {
		for e := range m[s] {
			if c := m[s][e]; c.next != none {
				line := fmt.Sprintf("%-10s  %-12s -> %-10s  %s", stateNames[s], eventNames[e], stateNames[c.next], c.do.names())
				b.WriteString(strings.TrimRight(line, " ") + "\n")
			}
		}
	}
	return b.String()
}

func TestTablesAreAsPrinted(t *testing.T) {
	for _, tc := range allMachines {
		file := filepath.Join("testdata", tc.name+".golden")
		got := tc.m.print()
		if *update {
			if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("%s has changed; if on purpose, run with -update. Got:\n%s", file, got)
		}
	}
}

// lives are the actions that set the timer of the state.
const lives = doStartB | doStartF | doStartH | doStartL | doStartM | doStartD | doStartJ | doStartI | doStartK | doStartAge

// TestEveryStateAndEvent checks what must hold for each arrow of each figure, drawn
// or not.
func TestEveryStateAndEvent(t *testing.T) {
	t.Parallel()
	for _, tc := range allMachines {
		for s := none; s < numStates; s++ {
			for e := evStart; e < numEvents; e++ {
				next, d := tc.m.step(s, e)
				for _, broken := range brokenRules(tc.m, s, e, next, d) {
					t.Errorf("%s: %s + %s -> %s (%s): %s", tc.name, stateNames[s], eventNames[e], stateNames[next], d.names(), broken)
				}
			}
		}
	}
}

func brokenRules(m *machine, s state, e event, next state, d do) (broken []string) {
	rule := func(text string, holds bool) {
		if !holds {
			broken = append(broken, text)
		}
	}
	server := m == &inviteServer || m == &nonInviteServer
	invite := m == &inviteServer || m == &inviteClient
	final := e == ev2xx || e == ev3456xx

	rule("an event that is not drawn changes nothing", m[s][e].next != none || next == s && d == 0)
	if !used(m, s) {
		rule("a state of other machines does nothing", next == s && d == 0)
		return broken
	}
	rule("nothing happens before the beginning or after the end", s != none && s != terminated || d == 0 && next == s)
	rule("no state is entered twice: they only follow each other", next >= s)
	rule("the slot is freed at the end and only then", (next == terminated && s != terminated) == (d&doFree != 0))
	rule("the layer above learns of an end, unless it caused it", d&doFree == 0 || e == evBroken || (d&doInform != 0) != (d&doEnd != 0))
	rule("only an end is told", d&(doInform|doEnd) == 0 || d&doFree != 0)
	rule("at most one timer of the state is set", bits.OnesCount32(uint32(d&lives)) <= 1)
	rule("at most one timer of resending is set", bits.OnesCount32(uint32(d&resends)) <= 1)
	rule("what is resent goes on being resent, on the timer's event", e != evResend || next == s && (d == 0 || d&doResend != 0 && d&resends != 0))
	rule("a transaction with a final response is past Proceeding", !final || d == 0 || next >= completed)
	rule("a transaction past Proceeding resends by timer only in Completed of a server", next <= proceeding || d&resends == 0 || m == &inviteServer && next == completed)
	rule("a server passes up nothing but the ACK of a 2xx", !server || d&doPassUp == 0 || e == evAck && s == accepted)
	rule("a client passes up responses only", server || d&doPassUp == 0 || e == ev1xx || final)
	rule("every first final response is passed up", server || !final || s == idle || s > proceeding || d&doPassUp != 0)
	rule("an ACK is made for a non-2xx to an INVITE only", d&doAck == 0 || m == &inviteClient && e == ev3456xx)
	rule("a 2xx to an INVITE is sent as long as the transaction lives", m != &inviteServer || e != ev2xx || s < proceeding || s >= finished || d&doSend != 0)
	rule("a second non-2xx final is never sent", !server || e != ev3456xx || s <= proceeding || d == 0)
	rule("a transport error ends a client in every state", server || e != evBroken || next == terminated)
	rule("a live state ends by its timer, unless the layer above bounds it",
		s <= idle || s == terminated || e != evLife || next == terminated || m == &inviteServer && s == proceeding)
	rule("a state with a timer sets it on entry", next == s || next == terminated || !timed(m, next) || d&lives != 0 || carried(m, s, next, d))
	rule("no CANCEL for a non-INVITE", invite || d&(doOwe|doCancel) == 0)
	return broken
}

// used reports whether s is a state of m.
func used(m *machine, s state) bool {
	for from := range m {
		for e := range m[from] {
			if c := m[from][e]; c.next != none && (state(from) == s || c.next == s) {
				return true
			}
		}
	}
	return false
}

// timed reports whether s ends by a timer that its entry has to set.
func timed(m *machine, s state) bool {
	return m[s][evLife].next == terminated && !(m == &inviteClient && s == proceeding) // set by the CANCEL
}

// carried reports whether the timer of s runs on in next: timer F and the age of a
// non-INVITE are set once, at its start.
func carried(m *machine, s, next state, d do) bool {
	return m != &inviteClient && m != &inviteServer && (s == trying || s == proceeding) &&
		(next == proceeding || next == finished && d&doHasten != 0)
}
