package observe

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"time"

	"viaduct/internal/clock"
	"viaduct/internal/effect"
	"viaduct/internal/flow"
)

func hopTo(addr string) flow.Hop {
	return flow.Hop{Protocol: flow.UDP, Remote: netip.MustParseAddrPort(addr)}
}

// logged runs the sink until everything that is queued is written.
func logged(t *testing.T, s *Notes, out *bytes.Buffer) []string {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s.Run(ctx)
	text := strings.TrimSpace(out.String())
	out.Reset()
	if text == "" {
		return nil
	}
	return strings.Split(text, "\n")
}

func newTestNotes(t *testing.T) (*Notes, *bytes.Buffer) {
	t.Helper()
	var out bytes.Buffer
	return NewNotes(slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		},
	}))), &out
}

func TestOneLineASecondForEachClassAndSource(t *testing.T) {
	t.Parallel()
	s, out := newTestNotes(t)
	refused := effect.Note{Kind: effect.NoteRejected, Status: 403, Peer: hopTo("192.0.2.1:5060"), Detail: "no rule matched"}
	elsewhere := refused
	elsewhere.Peer = hopTo("192.0.2.2:5060")
	start := clock.Now()
	for i := range 10 {
		s.note(start.Add(time.Duration(i)*50*time.Millisecond), refused)
	}
	s.note(start, elsewhere)
	s.note(start.Add(1100*time.Millisecond), refused)
	got := logged(t, s, out)
	want := []string{
		`level=INFO msg="request refused" peer="udp 192.0.2.1:5060" status=403 detail="no rule matched"`,
		`level=INFO msg="request refused" peer="udp 192.0.2.2:5060" status=403 detail="no rule matched"`,
		`level=INFO msg="request refused" peer="udp 192.0.2.1:5060" status=403 detail="no rule matched" more=9`,
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestTheRestIsCountedWhenTheSourceFallsSilent(t *testing.T) {
	t.Parallel()
	s, out := newTestNotes(t)
	start := clock.Now()
	note := effect.Note{Kind: effect.NoteTimeout, Peer: hopTo("192.0.2.1:5060"), Detail: "timer B"}
	for range 4 {
		s.note(start, note)
	}
	s.sweep(start.Add(500*time.Millisecond), notePeriod)
	if got := len(s.queue); got != 1 {
		t.Fatalf("%d lines within the second, want 1", got)
	}
	s.sweep(start.Add(2*time.Second), notePeriod)
	s.sweep(start.Add(4*time.Second), notePeriod)
	if len(s.seen) != 0 {
		t.Errorf("%d entries left after silence, want 0", len(s.seen))
	}
	got := logged(t, s, out)
	if len(got) != 2 || !strings.HasSuffix(got[1], "more=2") {
		t.Errorf("got %q, want a second line for three notes", got)
	}
}

func TestAFloodOfSourcesSharesALine(t *testing.T) {
	t.Parallel()
	s, out := newTestNotes(t)
	start := clock.Now()
	for i := range 10000 {
		s.note(start, effect.Note{Kind: effect.NoteDropped, Detail: "no message", Peer: hopTo(fmt.Sprintf("198.18.%d.%d:5060", i/250, i%250))})
	}
	if len(s.seen) > noteSources+1 {
		t.Errorf("%d entries, want at most %d", len(s.seen), noteSources+1)
	}
	got := logged(t, s, out)
	if n := len(got); n > noteSources+2 {
		t.Errorf("%d lines, want at most %d", n, noteSources+2)
	}
	if !strings.Contains(out.String()+strings.Join(got, "\n"), "peer=several") {
		t.Error("no line for the sources without one of their own")
	}
}

func TestASlowLogLosesLinesAndCountsThem(t *testing.T) {
	t.Parallel()
	s, _ := newTestNotes(t)
	now := clock.Now()
	for i := range noteQueue + 50 {
		now = now.Add(2 * time.Second)
		s.note(now, effect.Note{Kind: effect.NoteLoop, Peer: hopTo(fmt.Sprintf("192.0.2.1:%d", 1024+i))})
	}
	if got := s.Unlogged(); got != 50 {
		t.Errorf("Unlogged() = %d, want 50", got)
	}
}

func TestNoteInsideItsSecondAllocatesNothing(t *testing.T) {
	s, _ := newTestNotes(t)
	now := clock.Now()
	note := effect.Note{Kind: effect.NoteDropped, Detail: "no message", Peer: hopTo("192.0.2.1:5060")}
	s.note(now, note)
	if n := testing.AllocsPerRun(100, func() { s.note(now, note) }); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}
