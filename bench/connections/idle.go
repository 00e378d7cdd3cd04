package main

import (
	"bufio"
	"cmp"
	"crypto/rand"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// idle opens connections, has each be answered once and leaves them alone; beside them it begins handshakes that it never
// ends. It prints what a connection costs the server when these have been cut, says "open", and at the end of its
// input asks each connection for another answer.
func idle(args []string) error {
	f := flag.NewFlagSet("idle", flag.ContinueOnError)
	secure, web := f.String("tls", "127.0.0.1:5061", "where the server listens for TLS"), f.String("ws", "127.0.0.1:8080", "where for WebSockets")
	nTLS, nWS := f.Int("n-tls", 5000, "connections of TLS"), f.Int("n-ws", 10000, "WebSockets")
	stalled := f.Int("stalled", 500, "handshakes that stall")
	limit, quiet := f.Duration("cut", 15*time.Second, "by when those must have been cut"), f.Duration("quiet", 12*time.Second, "from the last answer until memory is looked at")
	var server processes
	f.Var(&server, "pids", "processes of the server")
	if err := f.Parse(args); err != nil {
		return err
	}
	empty := server.memory()
	cut, err := stall(*secure, *stalled, *limit)
	if err != nil {
		return err
	}
	var each [2]int
	var open []*peer
	for i, kind := range []struct {
		n    int
		dial func() (*peer, error)
	}{
		{*nTLS, func() (*peer, error) { return dialTLS(*secure) }},
		{*nWS, func() (*peer, error) { return dialWS(*web) }},
	} {
		before := server.memory()
		list, err := openAll(kind.n, kind.dial)
		if err != nil {
			return err
		}
		open = append(open, list...)
		time.Sleep(*quiet)
		each[i] = (server.memory() - before) / max(kind.n, 1)
	}
	fmt.Printf("server: %d MiB with nothing, %d MiB now; a TLS connection: %d bytes, a WebSocket: %d bytes\n", empty>>20, server.memory()>>20, each[0], each[1])
	if late := <-cut; late > 0 {
		return fmt.Errorf("of %d stalled handshakes %d were not cut within %v", *stalled, late, *limit)
	}
	fmt.Printf("%d stalled handshakes were cut\nopen\n", *stalled)
	_, _ = io.Copy(io.Discard, os.Stdin) // its end is what is waited for
	lost, first := 0, error(nil)
	for _, p := range open {
		if err := p.insist(); err != nil {
			lost, first = lost+1, cmp.Or(first, err)
		}
	}
	if lost > 0 {
		return fmt.Errorf("%d of %d idle connections do not answer any more: %w", lost, len(open), first)
	}
	fmt.Printf("all %d idle connections still answer\n", len(open))
	return nil
}

// stall begins n handshakes, half of them with the beginning of a ClientHello, and tells how many the server has not
// closed within a limit.
func stall(at string, n int, limit time.Duration) (<-chan int, error) {
	var late atomic.Int64
	var group sync.WaitGroup
	for i := range n {
		c, err := net.Dial("tcp", at)
		if err != nil {
			return nil, err
		}
		if i%2 == 0 {
			if _, err := io.WriteString(c, "\x16\x03\x01\x02\x00\x01"); err != nil {
				return nil, err
			}
		}
		group.Go(func() {
			_ = c.SetReadDeadline(time.Now().Add(limit))
			if _, err := io.Copy(io.Discard, c); errors.Is(err, os.ErrDeadlineExceeded) {
				late.Add(1)
			}
			_ = c.Close() // it is over
		})
	}
	result := make(chan int, 1)
	go func() {
		group.Wait()
		result <- int(late.Load())
	}()
	return result, nil
}

// openAll opens n connections, four at a time, and has each be answered.
func openAll(n int, dial func() (*peer, error)) ([]*peer, error) {
	list, failed := make([]*peer, n), make(chan error, n)
	var at atomic.Int64
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for i := at.Add(1) - 1; int(i) < n; i = at.Add(1) - 1 {
				p, err := dial()
				if err == nil {
					err = p.insist()
				}
				if err != nil {
					failed <- err
					return
				}
				list[i] = p
			}
		})
	}
	group.Wait()
	select {
	case err := <-failed:
		return nil, err
	default:
		return list, nil
	}
}

// peer is one connection.
type peer struct {
	net.Conn
	in  *bufio.Reader
	web bool
	n   int
}

// small are the buffers of a peer: there are many.
const small = 512

// silent makes connections for which the kernel sends no probes: those of thousands, made at once, would overflow the
// queue of the loopback interface, and it is the server's that are to be seen to.
var silent = net.Dialer{KeepAlive: -1}

func dialTLS(at string) (*peer, error) {
	c, err := tls.DialWithDialer(&silent, "tcp", at, &tls.Config{InsecureSkipVerify: true, ServerName: serverName})
	if err != nil {
		return nil, err
	}
	return &peer{Conn: c, in: bufio.NewReaderSize(c, small)}, nil
}

// dialWS opens a WebSocket (RFC 6455 §4.1, RFC 7118 §3).
func dialWS(at string) (*peer, error) {
	c, err := silent.Dial("tcp", at)
	if err != nil {
		return nil, err
	}
	p := &peer{Conn: c, in: bufio.NewReaderSize(c, small), web: true}
	if _, err := fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: sip\r\n\r\n", at); err != nil {
		return nil, err
	}
	r, err := http.ReadResponse(p.in, nil)
	if err == nil && r.StatusCode != http.StatusSwitchingProtocols {
		err = fmt.Errorf("a WebSocket is refused: %s", r.Status)
	}
	return p, err
}

// insist asks again for as long as the server is too busy.
func (p *peer) insist() (err error) {
	for range 30 {
		if err = p.ask(); !errors.Is(err, errRefused) {
			return err
		}
		time.Sleep(time.Second)
	}
	return err
}

// ask sends an OPTIONS and waits for its answer.
func (p *peer) ask() error {
	p.n++
	word := "TLS"
	if p.web {
		word = "WS"
	}
	text := fmt.Sprintf("OPTIONS sip:127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/%s %s;branch=z9hG4bKi%d\r\nMax-Forwards: 70\r\nFrom: <sip:idle@caller.example>;tag=a\r\n"+
		"To: <sip:127.0.0.1>\r\nCall-ID: %s-%d\r\nCSeq: %d OPTIONS\r\nContent-Length: 0\r\n\r\n", word, p.LocalAddr(), p.n, p.LocalAddr(), p.n, p.n)
	if err := p.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		return err
	}
	if p.web {
		text = frame(text)
	}
	if _, err := io.WriteString(p, text); err != nil {
		return err
	}
	if p.web {
		if err := p.header(); err != nil {
			return err
		}
	}
	m, err := next(p.in)
	switch {
	case err != nil:
		return err
	case m.status() == http.StatusServiceUnavailable:
		return errRefused
	case m.status() != http.StatusOK:
		return fmt.Errorf("not the answer: %s", m.start)
	}
	return nil
}

// errRefused is a server that has more to do than it can: who is refused is unknown to it, and not kept.
var errRefused = errors.New("503")

// frame is a masked text frame (RFC 6455 §5.2).
func frame(text string) string {
	b := binary.BigEndian.AppendUint16([]byte{0x81, 0x80 | 126}, uint16(len(text)))
	var mask [4]byte
	_, _ = rand.Read(mask[:]) // it never fails
	b = append(b, mask[:]...)
	for i := range len(text) {
		b = append(b, text[i]^mask[i%4])
	}
	return string(b)
}

// header reads that of a frame of the server.
func (p *peer) header() error {
	var b [4]byte
	if _, err := io.ReadFull(p.in, b[:2]); err != nil {
		return err
	}
	if b[1] == 126 {
		_, err := io.ReadFull(p.in, b[2:])
		return err
	}
	return nil
}
