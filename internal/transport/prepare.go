package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"time"

	"viaduct/internal/flow"
)

// prepare brings a connection that was accepted to where messages can be read:
// past the PROXY header, the handshake of TLS and that of a WebSocket, all within
// one limit. It has a goroutine of its own for that: what serves the connection
// afterwards begins with a small stack.
func (c *Conn) prepare(use *Settings, proxied bool) {
	ctx, cancel := context.WithTimeout(context.Background(), c.s.limits.Handshake)
	defer cancel()
	deadline, _ := ctx.Deadline()
	err := c.allow(deadline)
	if err == nil {
		err = c.introduce(ctx, use, proxied)
	}
	if err == nil {
		err = c.ready()
	}
	switch {
	case err == nil:
		c.s.group.Go(c.serve)
		return
	case errors.Is(err, errServed):
		c.reason.CompareAndSwap(uint32(notEnded), uint32(EndServed))
		c.linger()
	default:
		c.refuse(err)
	}
	c.finish()
}

// allow gives what follows time until a deadline, unless c is about to end.
func (c *Conn) allow(deadline time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.reason.Load() != uint32(notEnded) {
		return net.ErrClosed
	}
	return c.net.SetDeadline(deadline)
}

// introduce does what has to be done before a message can come.
func (c *Conn) introduce(ctx context.Context, use *Settings, proxied bool) error {
	if proxied {
		if err := c.readProxyHeader(); err != nil {
			return err
		}
	}
	var stream net.Conn = c.net
	if c.to.protocol.Secure() {
		c.tls = newSecure(c.net, use.TLS.server, tls.Server)
		if err := c.tls.shake(ctx, c.s.shakes); err != nil {
			return err
		}
		c.to.counters.handshakes.Add(1)
		c.identify(use.TLS)
		stream = c.tls.conn
	}
	if c.to.protocol == flow.WS || c.to.protocol == flow.WSS {
		return c.upgrade(stream, use.WebSocket)
	}
	return nil
}

// identify notes who the client has proven to be. A certificate that is not
// sound proves nothing, and nothing else follows from it (RFC 5922 §7.4).
func (c *Conn) identify(t *TLS) {
	identities, err := t.accepted(c.tls.conn.ConnectionState().PeerCertificates)
	switch {
	case err != nil:
		c.s.tell([]Notice{{What: "client certificate does not count", Listener: c.to.listener, Remote: c.flow.Remote, Err: err}})
	case len(identities) > 0:
		c.peer.Store(&identities)
		c.flow.Domain = flow.MakeProven(identities)
	}
}

// ready lets messages come and go.
func (c *Conn) ready() error {
	c.mu.Lock()
	if c.reason.Load() != uint32(notEnded) {
		c.mu.Unlock()
		return net.ErrClosed
	}
	if c.tls != nil {
		c.tls.begin()
	}
	err := c.net.SetDeadline(time.Time{})
	c.state = connOpen
	c.mu.Unlock()
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	c.s.route(c)
	return err
}

// refuse ends c because it was not made. What somebody else has ended was not
// refused.
func (c *Conn) refuse(err error) {
	if c.reason.CompareAndSwap(uint32(notEnded), uint32(EndHandshake)) {
		c.to.counters.refused[refusalOf(err)].Add(1)
		c.failure = err
	}
}
