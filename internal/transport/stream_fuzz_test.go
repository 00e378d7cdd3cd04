package transport

import (
	"bytes"
	"io"
	"testing"

	"viaduct/sip"
)

// FuzzStream cuts a stream anywhere and holds that what comes out does not
// depend on it, and that no more is kept than what has arrived.
func FuzzStream(f *testing.F) {
	f.Add([]byte(streamed(1, 10)+"\r\n\r\n"+streamed(2, 0)), []byte{1, 3, 200})
	f.Add([]byte("\r\n"+streamed(1, 5000)+"\r"), []byte{2})
	f.Add([]byte("MESSAGE sip:b SIP/2.0\r\nContent-Length: 7\r\nl: 7\r\n\r\n"), []byte{60, 1})
	f.Fuzz(func(t *testing.T, stream, cuts []byte) {
		whole, cut := messages(t, stream, nil), messages(t, stream, cuts)
		if !bytes.Equal(bytes.Join(whole, []byte{0}), bytes.Join(cut, []byte{0})) {
			t.Errorf("whole %q, cut %q", whole, cut)
		}
	})
}

// messages feeds stream to a connection, in parts whose lengths cuts tells again
// and again.
func messages(t *testing.T, stream, cuts []byte) (all [][]byte) {
	t.Helper()
	s := NewStreams(StreamConfig{Limits: StreamLimits{Connections: 1}, NewTurn: func() func(*Batch) {
		return func(b *Batch) {
			for i := range b.Packets {
				m := bytes.Clone(b.Packets[i].Wire)
				if b.Packets[i].Fault != nil { // how much of a bad header part has come differs
					m = []byte(b.Packets[i].Fault.What)
				}
				all = append(all, m)
			}
		}
	}})
	c := newConn(s, &TCP{streams: s})
	c.known.Store(true)
	l := <-s.lanes
	for i := 0; len(stream) > 0; i++ {
		buffer, before := c.room(l)
		n := min(len(stream), len(buffer)-before)
		if len(cuts) > 0 {
			n = min(n, int(cuts[i%len(cuts)])+1)
		}
		copy(buffer[before:], stream[:n])
		stream = stream[n:]
		if !c.take(l, buffer[:before+n], n) {
			break
		}
		if len(c.pending) > sip.MaxMessage || cap(c.pending) > max(2*len(c.pending), pendingSmall) && cap(c.pending) > pendingSmall && before == 0 {
			t.Fatalf("%d bytes kept in %d", len(c.pending), cap(c.pending))
		}
	}
	return all
}

// BenchmarkStream is a message there and back on one connection.
func BenchmarkStream(b *testing.B) {
	h := newHall(b, StreamLimits{}, nil)
	h.quiet.Store(true)
	c := h.caller()
	text := []byte(streamed(1, 600))
	answer := make([]byte, len(text))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Write(text); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(c, answer); err != nil {
			b.Fatal(err)
		}
	}
}
