package observe

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"viaduct/internal/flow"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// golden compares text with a file in testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
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
		t.Errorf("%s differs; got:\n%s\nwant:\n%s", file, got, want)
	}
}

// A step is one message of a call flow: to or from a peer.
type step struct {
	peer     string
	received bool
	label    string
	detail   string
}

func draw(t *testing.T, colour bool, steps []step) string {
	t.Helper()
	var out bytes.Buffer
	l := ladder{w: &out, colour: colour}
	at := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	for i, s := range steps {
		m := traced{at: at.Add(time.Duration(i) * 100 * time.Microsecond), received: s.received, hop: hopTo(s.peer), call: 1, label: s.label, detail: s.detail}
		m.request = !strings.ContainsAny(s.label[:1], "123456")
		if !m.request {
			m.status = 100 * int(s.label[0]-'0')
		}
		if i == 0 {
			m.opening = &openLine{callID: "1-4711@192.0.2.1", from: "sip:alice@example.com", to: "sip:bob@example.com"}
		}
		l.message(m)
	}
	if err := l.flush(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

const alice, bob, desk = "192.0.2.1:5080", "192.0.2.2:5070", "[2001:db8::7]:5060"

var forked = []step{
	{alice, true, "INVITE", "1 INVITE sip:bob@example.com"},
	{bob, false, "INVITE", "1 INVITE sip:bob@192.0.2.2"},
	{desk, false, "INVITE", "1 INVITE sip:bob@[2001:db8::7]"},
	{alice, false, "100 Trying", "1 INVITE"},
	{bob, true, "180 Ringing", "1 INVITE"},
	{alice, false, "180 Ringing", "1 INVITE"},
	{desk, true, "407 Proxy Authentication Required", "1 INVITE"},
	{desk, false, "ACK", "1 ACK"},
	{bob, true, "200 OK", "1 INVITE"},
	{alice, false, "200 OK", "1 INVITE"},
}

func TestLadder(t *testing.T) {
	t.Parallel()
	golden(t, "forked.ladder", draw(t, false, forked))
}

func TestLadderColours(t *testing.T) {
	t.Parallel()
	plain, coloured := draw(t, false, forked), draw(t, true, forked)
	if strings.Contains(plain, "\x1b") {
		t.Error("escape sequences without colour")
	}
	for _, want := range []string{"\x1b[1m INVITE \x1b[0m", "\x1b[33m 180 Ringing \x1b[0m", "\x1b[32m 200 OK \x1b[0m", "\x1b[31m 407"} {
		if !strings.Contains(coloured, want) {
			t.Errorf("no %q in:\n%s", want, coloured)
		}
	}
}

func TestLadderGivesAwayTheColumnSilentLongest(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	l := ladder{w: &out}
	for i := range maxPeers + 3 {
		l.message(traced{hop: flow.Hop{Protocol: flow.TCP, Remote: hopTo(alice).Remote}, label: "OPTIONS"})
		l.message(traced{hop: hopTo(desk[:len(desk)-1] + string(rune('0'+i))), label: "OPTIONS"})
	}
	if len(l.peers) != maxPeers {
		t.Fatalf("%d columns, want %d", len(l.peers), maxPeers)
	}
	if l.peers[0].name != "tcp "+alice {
		t.Errorf("the first column is %s, want the peer that speaks all the time", l.peers[0].name)
	}
}
