package transport

import (
	"context"
	"crypto/tls"
	"net"
	"net/netip"
	"time"

	"viaduct/internal/certificate"
	"viaduct/internal/clock"
	"viaduct/internal/flow"
)

// dialed is what came of an attempt to connect.
type dialed struct {
	conn *net.TCPConn
	tls  *secure
	err  error
}

// connect makes the connection and then serves it. Meanwhile messages wait in
// its queue, each for as long as it may; when none is left it is given up.
func (c *Conn) connect(ctx context.Context, local netip.Addr) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	result := make(chan dialed, 1)
	c.s.group.Go(func() { result <- c.dial(ctx, local) })
	timer := time.NewTimer(c.s.limits.Connect)
	defer timer.Stop()
	for {
		select {
		case d := <-result:
			switch {
			case d.err != nil && d.conn != nil: // reached, and not made
				c.refuse(d.err)
			case d.err == nil && c.establish(d):
				c.s.group.Go(c.serve) // with a stack that is as small as it was
				return
			}
			c.end(EndConnect)
			c.finish()
			return
		case <-timer.C:
		case <-c.kick:
		}
		if wait, any := c.impatient(); any {
			timer.Reset(wait)
		} else {
			cancel() // and the result comes
		}
	}
}

// impatient gives messages up that have waited for as long as they may. It
// returns how long the next one will; any is false when none is left, and
// the connection is to be given up.
func (c *Conn) impatient() (wait time.Duration, any bool) {
	c.mu.Lock()
	now := clock.Now()
	var lost []outgoing
	kept, first := c.queue[:0], clock.Instant(0)
	for _, m := range c.queue {
		if now >= m.until {
			lost = append(lost, m)
			c.waiting -= len(m.wire)
			continue
		}
		kept = append(kept, m)
		if first == 0 || m.until < first {
			first = m.until
		}
	}
	clear(c.queue[len(kept):])
	c.queue = kept
	if len(kept) == 0 && len(lost) > 0 {
		c.endLocked(EndConnect)
	}
	over := c.reason.Load() != uint32(notEnded)
	c.mu.Unlock()
	if len(lost) > 0 {
		l := <-c.s.lanes
		for i := range lost {
			c.to.counters.sendErrors.Add(1)
			l.batch.Trouble.Failed = append(l.batch.Trouble.Failed, Failure{For: lost[i].send.For, Hop: lost[i].send.Hop, Err: ErrConnect, Wire: lost[i].message()})
		}
		l.finish()
		c.s.lanes <- l
	}
	if first == 0 { // nobody has put a message in yet, or all have gone
		return c.s.limits.Connect, !over
	}
	return first.Sub(now), !over
}

// establish makes c open with conn, unless it has ended meanwhile.
func (c *Conn) establish(d dialed) bool {
	if err := c.attach(d.conn); err != nil {
		_ = d.conn.Close() // reset as soon as it was made
		return false
	}
	c.tls = d.tls
	if proven := c.peer.Load(); proven != nil {
		c.flow.Domain = flow.MakeProven(*proven)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.reason.Load() != uint32(notEnded) {
		return false // finish closes it
	}
	if c.tls != nil {
		c.tls.begin()
		if err := c.sealQueue(); err != nil {
			return false
		}
	}
	c.state = connOpen
	c.to.counters.opened.Add(1)
	c.alive.Store(c.s.now.Load())
	c.flush()
	return true
}

// sealQueue makes records of the messages that have waited.
func (c *Conn) sealQueue() (err error) {
	c.waiting = 0
	for i := range c.queue {
		o := &c.queue[i]
		o.plain = o.wire
		if o.wire, err = c.tls.seal(nil, o.plain); err != nil {
			return err
		}
		c.waiting += len(o.wire)
	}
	return nil
}

// dial connects to the far end and, with TLS, has it prove who it is (RFC 5922
// §7.3). A conn beside an error says that it was reached.
func (c *Conn) dial(ctx context.Context, local netip.Addr) dialed {
	d := dial(ctx, local, c.flow.Remote)
	if d.err != nil || c.to.protocol != flow.TLS {
		return d
	}
	ctx, cancel := context.WithTimeout(ctx, c.s.limits.Handshake)
	defer cancel()
	use := c.to.settings.Load().TLS
	d.tls = newSecure(d.conn, use.client(c.domain.String()), tls.Client)
	if d.err = d.tls.shake(ctx, c.s.shakes); d.err != nil {
		_ = d.conn.Close() // nothing of SIP was sent on it
		return d
	}
	c.to.counters.handshakes.Add(1)
	identities := certificate.Identities(d.tls.conn.ConnectionState().PeerCertificates[0])
	c.peer.Store(&identities)
	return d
}

// dial connects from local, on a port of the kernel's choice, to remote.
func dial(ctx context.Context, local netip.Addr, remote netip.AddrPort) dialed {
	d := net.Dialer{KeepAliveConfig: keepAlive, Control: beforeConnect}
	network := "tcp4"
	if remote.Addr().Is6() {
		network = "tcp6"
	}
	if local.IsValid() && !local.IsUnspecified() {
		d.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(local, 0))
	}
	conn, err := d.DialContext(ctx, network, remote.String())
	if err != nil {
		return dialed{err: err}
	}
	t, ok := conn.(*net.TCPConn)
	if !ok {
		_ = conn.Close() // nothing was sent on it
		return dialed{err: net.UnknownNetworkError(network)}
	}
	return dialed{conn: t}
}
