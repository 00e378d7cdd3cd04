package transport

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"viaduct/internal/flow"
)

// idlers is how many idle connections BenchmarkIdle opens.
const idlers = 2000

// BenchmarkIdle tells what an idle connection costs that has sent a message: its
// heap and its stack, after the collector has shrunk them. Its peers are in
// another process.
func BenchmarkIdle(b *testing.B) {
	if where := os.Getenv("VIADUCT_IDLE"); where != "" {
		beIdle(b, where)
		return
	}
	v := newVault(b)
	for _, p := range []flow.Protocol{flow.TCP, flow.TLS, flow.WS, flow.WSS} {
		b.Run(strings.ToLower(p.String()), func(b *testing.B) {
			use := Settings{WebSocket: new(WebSocket)}
			if p.Secure() {
				use.TLS = v.tls(nil, "example.com")
			}
			h := newHallOf(b, p, use, StreamLimits{Unknown: 2 * idlers, Connections: 2 * idlers, Rest: time.Second}, nil)
			h.quiet.Store(true)
			before := inUse()
			cmd := exec.Command(os.Args[0], "-test.run", "^$", "-test.bench", "^BenchmarkIdle$", "-test.benchtime", "1x")
			cmd.Env = append(os.Environ(), "VIADUCT_IDLE="+p.String()+" "+h.tcp.Addr().String())
			in, err := cmd.StdinPipe()
			if err != nil {
				b.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				b.Fatal(err)
			}
			h.until("all", func() bool { return h.tcp.Counters().Received == idlers })
			h.until("rest", func() bool { return h.resting() == idlers })
			each := float64(inUse()-before) / idlers
			if err := in.Close(); err != nil { // and the peers leave
				b.Fatal(err)
			}
			if err := cmd.Wait(); err != nil {
				b.Fatal(err)
			}
			for b.Loop() { // there is nothing to repeat
			}
			b.ReportMetric(each, "B/conn")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// resting is how many connections are.
func (h *hall) resting() (n int) {
	for i := range h.slots {
		if c := h.slots[i].conn.Load(); c != nil && c.resting.Load() {
			n++
		}
	}
	return n
}

// inUse is the heap and all stacks. A stack is halved by each collection.
func inUse() uint64 {
	var m runtime.MemStats
	for range 6 {
		runtime.GC()
	}
	runtime.ReadMemStats(&m)
	return m.HeapAlloc + m.StackInuse
}

// beIdle is the other process: it opens the connections, sends a message on each
// and waits for the end of its input.
func beIdle(b *testing.B, where string) {
	word, at, _ := strings.Cut(where, " ")
	p := flow.ParseProtocol([]byte(word))
	m := streamed(1, 300)
	for range idlers {
		c, err := net.Dial("tcp", at)
		if err != nil {
			b.Fatal(err)
		}
		if p.Secure() {
			c = tls.Client(c, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13})
		}
		text := m
		if p == flow.WS || p == flow.WSS {
			put(b, c, upgradeRequest([]string{"sip"}, nil))
			for r := bufio.NewReader(c); ; {
				line, err := r.ReadString('\n')
				if err != nil {
					b.Fatal(err)
				}
				if line == "\r\n" {
					break
				}
			}
			text = masked(0x81, m)
		}
		put(b, c, text)
		defer c.Close() // with the process
	}
	_, _ = io.Copy(io.Discard, os.Stdin)
}
