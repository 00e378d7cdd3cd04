//go:build !linux

package transport

import (
	"net"
	"syscall"
)

// This is the plain form of the Linux file: reads through the net package, and
// all that is sent goes by the queue. It is for development machines.

func streamOptions(syscall.RawConn, uint16) error        { return nil }
func beforeConnect(_, _ string, _ syscall.RawConn) error { return nil }
func maxDescriptors() int                                { return 0 }

// receiveStream waits: it is called by the goroutine of the connection alone.
func receiveStream(_ int, conn net.Conn, b []byte) (int, error) { return conn.Read(b) }

// read receives until the connection ends.
func (c *Conn) read() error {
	own := make([]byte, readSize+len(c.tail))
	for c.reason.Load() == uint32(notEnded) {
		n, err := c.receive(0, own[:readSize])
		if c.tls != nil {
			l := <-c.s.lanes
			c.answerTLS(l.sender)
			c.s.lanes <- l
		}
		if err != nil {
			return err
		}
		if !c.arrived(own[:n]) {
			return nil
		}
	}
	return nil
}

// await waits for nothing: the next receive does.
func (c *Conn) await() error { return nil }

// arrived works on b, which is as much as fits where it belongs.
func (c *Conn) arrived(b []byte) bool {
	l := c.s.borrow()
	defer func() { c.s.lanes <- l }()
	for len(b) > 0 {
		buffer, before := c.room(l)
		n := copy(buffer[before:], b)
		b = b[n:]
		if !c.take(l, buffer[:before+n], n) {
			return false
		}
	}
	return true
}

// vectors is empty: nothing is written directly.
type vectors struct{}

func (*vectors) init() {}

func (*vectors) write(*Conn, [][]byte) int { return -1 }
