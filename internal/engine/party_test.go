package engine_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"viaduct/internal/config"
	"viaduct/internal/engine"
	"viaduct/internal/siptest"
)

// office is a running engine with the real core, a UDP and a TCP listener.
type office struct {
	*engine.Engine
	udp, tcp netip.AddrPort
}

// openOffice runs one on loopback until the end of the test.
func openOffice(t testing.TB, rules string, cfg engine.Config) *office {
	t.Helper()
	text := "listen \"udp\" { address = \"127.0.0.1:5060\" }\nlisten \"tcp\" { address = \"127.0.0.1:5060\" }\n" + rules
	c, bad := config.Parse("test", []byte(text), config.Options{})
	if len(bad) > 0 {
		t.Fatal(bad)
	}
	cfg.Snapshot, cfg.Readers, cfg.Grace = c.Snapshot, 1, 20*time.Millisecond
	for i := range cfg.Snapshot.Listeners {
		cfg.Snapshot.Listeners[i].Bind = netip.MustParseAddrPort("127.0.0.1:0")
	}
	e, err := engine.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	group.Go(func() {
		if err := e.Run(context.Background()); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() {
		e.Stop()
		group.Wait()
		if n := e.Stats().Panics; n != 0 {
			t.Errorf("%d panics", n)
		}
	})
	return &office{e, e.Addresses()[0].Bind, e.Addresses()[1].Bind}
}

// party is a user agent by hand, on UDP or on TCP. On TCP it listens at its
// Contact, makes one connection to the proxy, and answers on the connection by
// which a request came.
type party struct {
	*phone // the socket of UDP; of a party on TCP address, call and lines only
	office *office
	tcp    *net.TCPListener

	mu    sync.Mutex // guards what follows
	by    net.Conn   // where the last message came by, or goes
	all   []net.Conn
	chunk int // bytes of one write, 0: all at once

	heard chan *siptest.Message
	group sync.WaitGroup
}

func (o *office) party(t testing.TB, protocol string) *party {
	t.Helper()
	if protocol == "udp" {
		return &party{phone: newPhone(t, "127.0.0.1"), office: o}
	}
	l, err := net.ListenTCP("tcp4", net.TCPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:0")))
	if err != nil {
		t.Fatal(err)
	}
	p := &party{
		phone:  &phone{t: t, addr: l.Addr().(*net.TCPAddr).AddrPort()},
		office: o, tcp: l, heard: make(chan *siptest.Message, 1000),
	}
	p.group.Go(func() {
		for {
			c, err := l.AcceptTCP()
			if err != nil {
				return
			}
			p.listen(c)
		}
	})
	t.Cleanup(func() {
		_ = l.Close() // a test may have done so
		p.mu.Lock()
		for _, c := range p.all {
			_ = c.Close()
		}
		p.mu.Unlock()
		p.group.Wait()
	})
	return p
}

// listen reads messages from c until it ends.
func (p *party) listen(c net.Conn) {
	_ = c.SetDeadline(time.Now().Add(patience)) // a closed one says so as it is read
	p.mu.Lock()
	p.all = append(p.all, c)
	p.mu.Unlock()
	p.group.Go(func() {
		r := bufio.NewReader(c)
		for {
			m := readOne(r)
			if m == nil {
				_ = c.Close() // the other side has ended it, or this one
				return
			}
			p.mu.Lock()
			p.by = c
			p.mu.Unlock()
			p.heard <- m
		}
	})
}

// readOne reads one message of a stream; nil at its end.
func readOne(r *bufio.Reader) *siptest.Message {
	var head strings.Builder
	length := 0
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return nil
		}
		head.WriteString(line)
		if _, err := fmt.Sscanf(line, "Content-Length: %d", &length); err == nil {
			continue
		}
		if line == "\r\n" {
			body := make([]byte, length)
			if _, err := io.ReadFull(r, body); err != nil {
				return nil
			}
			return siptest.ReadMessage([]byte(head.String() + string(body)))
		}
	}
}

// line is the connection that p speaks by; it makes one when there is none.
func (p *party) line() net.Conn {
	p.t.Helper()
	p.mu.Lock()
	c := p.by
	p.mu.Unlock()
	if c != nil {
		return c
	}
	c, err := net.Dial("tcp4", p.office.tcp.String())
	if err != nil {
		p.t.Fatal(err)
	}
	p.mu.Lock()
	p.by = c
	p.mu.Unlock()
	p.listen(c)
	return c
}

// hangUp closes the connection that p speaks by; the next message makes another.
func (p *party) hangUp() {
	p.mu.Lock()
	c := p.by
	p.by = nil
	p.mu.Unlock()
	if c != nil {
		_ = c.Close() // it may have ended by itself
	}
}

// say sends lines to the proxy, on UDP or on the connection.
func (p *party) say(lines ...string) {
	p.t.Helper()
	if p.tcp == nil {
		p.send(p.office.udp, lines...)
		return
	}
	for i, l := range lines {
		lines[i] = strings.Replace(l, "SIP/2.0/UDP "+p.addr.String(), "SIP/2.0/TCP "+p.addr.String(), 1)
		lines[i] = strings.Replace(lines[i], "@"+p.addr.String()+">", "@"+p.addr.String()+";transport=tcp>", 1)
	}
	p.write(strings.Join(lines, "\r\n") + "\r\n\r\n")
}

// write puts text on the connection, in parts when p does so.
func (p *party) write(text string) {
	p.t.Helper()
	c, size := p.line(), p.chunk
	for len(text) > 0 {
		n := len(text)
		if size > 0 {
			n = min(n, size)
		}
		if _, err := io.WriteString(c, text[:n]); err != nil {
			p.t.Fatal(err)
		}
		text = text[n:]
	}
}

// hear is the next message that is no 100, and on UDP no copy.
func (p *party) hear(start string) *siptest.Message {
	p.t.Helper()
	if p.tcp == nil {
		return p.expect(start)
	}
	over := time.After(patience)
	for {
		select {
		case m := <-p.heard:
			switch {
			case m.Status == 100:
				continue
			case len(m.Faults) > 0:
				p.t.Errorf("%v in\n%s", m.Faults, m.Wire)
			}
			if !strings.HasPrefix(m.Wire, start) {
				p.t.Fatalf("want %s, got\n%s", start, m.Wire)
			}
			return m
		case <-over:
			p.t.Fatalf("%s did not come; %+v", start, p.office.Stats().Listeners)
		}
	}
}

// reply answers req.
func (p *party) reply(req *siptest.Message, status string) {
	p.t.Helper()
	p.say(p.response(req, status)...)
}

// uri is where p is reached.
func (p *party) uri() string {
	if p.tcp == nil {
		return "sip:bob@" + p.addr.String()
	}
	return "sip:bob@" + p.addr.String() + ";transport=tcp"
}
