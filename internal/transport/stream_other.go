//go:build !linux

package transport

import (
	"syscall"

	"viaduct/internal/effect"
)

// This is the plain form of the Linux file: reads through the net package, and
// all that is sent goes by the queue. It is for development machines.

func streamOptions(syscall.RawConn) error                { return nil }
func beforeConnect(_, _ string, _ syscall.RawConn) error { return nil }
func maxDescriptors() int                                { return 0 }

// read receives until the connection ends.
func (c *Conn) read() error {
	own := make([]byte, readSize+len(c.tail))
	for c.reason.Load() == uint32(notEnded) {
		n, err := c.net.Read(own[:readSize])
		if n > 0 && !c.arrived(own[:n]) {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// arrived works on b, which is as much as fits where it belongs.
func (c *Conn) arrived(b []byte) bool {
	l := <-c.s.lanes
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

func (*vectors) write(*Conn, []effect.Send, []int) int { return -1 }
