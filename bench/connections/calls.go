package main

import (
	"bufio"
	"crypto/tls"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// calls makes calls by TLS: INVITE, 180, 200, ACK, BYE, 200, one after the other at a rate, on some connections in
// turn, and prints as JSON what they cost the processes of the server.
func calls(args []string) error {
	f := flag.NewFlagSet("calls", flag.ContinueOnError)
	proxy, at := f.String("proxy", "127.0.0.1:21061", "where the server listens"), f.String("callee", "127.0.0.1:21071", "where the callee does")
	dir := f.String("certificates", ".", "where `connections certificates` has put them")
	n, rate, warm := f.Int("calls", 1000, "how many count"), f.Int("rate", 200, "calls a second"), f.Int("warmup", 200, "calls before these")
	callers := f.Int("connections", 20, "of callers")
	var server processes
	f.Var(&server, "pids", "processes of the server")
	if err := f.Parse(args); err != nil {
		return err
	}
	if err := answer(*at, *dir); err != nil {
		return err
	}
	var list []*caller
	for i := range *callers {
		c, err := newCaller(i, *proxy, *at)
		if err != nil {
			return err
		}
		list = append(list, c)
	}
	play(list, *warm, *rate)
	for _, c := range list {
		c.done.Store(0)
		c.times = nil
	}
	before, began := server.cpu(), time.Now()
	play(list, *n, *rate)
	used, took := server.cpu()-before, time.Since(began)
	done, broken := 0, 0
	var times []time.Duration
	for _, c := range list {
		done += int(c.done.Load())
		broken += int(c.violations.Load())
		times = append(times, c.times...)
	}
	slices.Sort(times)
	result := map[string]any{
		"calls": *n, "completed": done, "failed": *n - done, "violations": broken,
		"per_second": float64(done) / took.Seconds(), "cpu_us_per_call": float64(used.Microseconds()) / float64(max(done, 1)),
		"memory_mib": float64(server.memory()) / (1 << 20),
	}
	if len(times) > 0 {
		result["ringing_p50_us"], result["ringing_p99_us"] = times[len(times)/2].Microseconds(), times[len(times)*99/100].Microseconds()
	}
	if err := json.NewEncoder(os.Stdout).Encode(result); err != nil {
		return err
	}
	if done != *n || broken != 0 {
		return fmt.Errorf("%d calls failed, %d rules were broken", *n-done, broken)
	}
	return nil
}

// play makes n calls and waits for their ends, or until nothing more can come of them.
func play(list []*caller, n, rate int) {
	t := time.NewTicker(time.Second / time.Duration(rate))
	defer t.Stop()
	for i := range n {
		<-t.C
		list[i%len(list)].begin()
	}
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); <-t.C {
		if !slices.ContainsFunc(list, func(c *caller) bool { return c.open() > 0 }) {
			return
		}
	}
}

// answer is the callee.
func answer(at, dir string) error {
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, "callee.pem"), filepath.Join(dir, "callee.key"))
	if err != nil {
		return err
	}
	l, err := tls.Listen("tcp", at, &tls.Config{Certificates: []tls.Certificate{pair}})
	if err != nil {
		return err
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go respond(c, contactAt(at))
		}
	}()
	return nil
}

// contactAt is the URI of the callee: its certificate proves the host, and maddr is where that is.
func contactAt(at string) string {
	host, port, _ := net.SplitHostPort(at)
	return fmt.Sprintf("sip:bob@%s:%s;maddr=%s;transport=tls", calleeName, port, host)
}

func respond(c net.Conn, contact string) {
	r := bufio.NewReader(c)
	for {
		m, err := next(r)
		if err != nil {
			return
		}
		text := ""
		switch m.method() {
		case "INVITE":
			text = m.answer("180 Ringing", contact) + m.answer("200 OK", contact)
		case "ACK":
			continue
		default:
			text = m.answer("200 OK", contact)
		}
		if _, err := c.Write([]byte(text)); err != nil {
			return
		}
	}
}

// caller is one connection.
type caller struct {
	id   int
	to   string
	conn net.Conn

	done, violations atomic.Int64

	mu    sync.Mutex // guards what follows
	n     int
	calls map[string]*call
	times []time.Duration // from INVITE to 180
}

// call is one under way.
type call struct {
	began  time.Time
	rung   bool
	target string
	head   string // Route, From, To of what follows in the dialog
	acked  bool
}

func newCaller(id int, proxy, callee string) (*caller, error) {
	conn, err := tls.Dial("tcp", proxy, &tls.Config{InsecureSkipVerify: true, ServerName: serverName})
	if err != nil {
		return nil, err
	}
	c := &caller{id: id, to: contactAt(callee), conn: conn, calls: map[string]*call{}}
	go c.listen()
	return c, nil
}

func (c *caller) open() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.calls)
}

// send writes a request of a call. What cannot be written shows as a call that never ends.
func (c *caller) send(method, uri, id string, cseq int, more string) {
	_, _ = fmt.Fprintf(c.conn, "%s %s SIP/2.0\r\nVia: SIP/2.0/TLS %s;branch=z9hG4bK%s%s\r\nMax-Forwards: 70\r\n%sCall-ID: %s\r\nCSeq: %d %s\r\n"+
		"Contact: <sip:alice@%s;transport=tls>\r\nContent-Length: 0\r\n\r\n",
		method, uri, c.conn.LocalAddr(), method, id, more, id, cseq, method, c.conn.LocalAddr())
}

func (c *caller) begin() {
	c.mu.Lock()
	c.n++
	id := fmt.Sprintf("c%d-%d", c.id, c.n)
	c.calls[id] = &call{began: time.Now()}
	c.mu.Unlock()
	c.send("INVITE", c.to, id, 1, "From: <sip:alice@caller.example>;tag=a\r\nTo: <"+c.to+">\r\n")
}

// listen takes what comes, until the connection ends.
func (c *caller) listen() {
	r := bufio.NewReader(c.conn)
	for {
		m, err := next(r)
		if err != nil {
			if !errors.Is(err, net.ErrClosed) {
				c.violations.Add(1)
			}
			return
		}
		c.take(&m)
	}
}

func (c *caller) take(m *message) {
	c.mu.Lock()
	defer c.mu.Unlock()
	id := m.get("Call-ID")
	x, status := c.calls[id], m.status()
	switch {
	case x == nil || status == 0 || len(m.all("Via")) != 1:
		c.violations.Add(1)
	case status == 100:
	case m.method() == "INVITE" && status == 180 && !x.rung:
		x.rung = true
		c.times = append(c.times, time.Since(x.began))
	case m.method() == "INVITE" && status == 200 && x.rung && !x.acked:
		x.acked = true
		x.target = strings.Trim(m.get("Contact"), "<>")
		x.head = m.routes() + "From: " + m.get("From") + "\r\nTo: " + m.get("To") + "\r\n"
		c.send("ACK", x.target, id, 1, x.head)
		c.send("BYE", x.target, id, 2, x.head)
	case m.method() == "BYE" && status == 200 && x.acked:
		delete(c.calls, id)
		c.done.Add(1)
	case status >= 300:
		delete(c.calls, id)
	default:
		c.violations.Add(1)
	}
}
