package transport

import (
	"encoding/binary"
	"errors"
	"unicode/utf8"

	"github.com/gobwas/ws"

	"viaduct/sip"
)

// opcode says what a frame holds (RFC 6455 §11.8).
type opcode byte

const (
	opContinuation opcode = 0x0
	opText         opcode = 0x1
	opBinary       opcode = 0x2
	opClose        opcode = 0x8
	opPing         opcode = 0x9
	opPong         opcode = 0xA
)

// controlSize is the most that a control frame may hold (RFC 6455 §5.5).
const controlSize = 125

// closeError is what a peer has done wrong, as the status code of a Close frame.
type closeError struct {
	code uint16
	what string
}

func (e *closeError) Error() string { return e.what }

var (
	errReserved   = &closeError{1002, "reserved bits or opcode"}
	errUnmasked   = &closeError{1002, "a frame that is not masked"} // RFC 6455 §5.1
	errControl    = &closeError{1002, "a control frame that is too long or in parts"}
	errOrder      = &closeError{1002, "a message within a message"}
	errLength     = &closeError{1002, "a length in more bytes than it needs"}
	errLarge      = &closeError{1009, "more than a SIP message can have"}
	errText       = &closeError{1007, "text that is not UTF-8"} // RFC 6455 §8.1
	errCloseFrame = &closeError{1002, "a malformed Close frame"}

	// errPart says that the header of the frame has not come whole.
	errPart = errors.New("transport: part of a frame")
)

// frame is the header of one (RFC 6455 §5.2).
type frame struct {
	final bool
	op    opcode
	mask  [4]byte
	size  int // of the payload
}

// readFrame reads the header that b begins with; n is how long it is. What cannot
// become a frame of a client with a payload of at most limit is a *closeError as
// soon as that is seen: nothing is allocated for a length that is only declared.
func readFrame(b []byte, limit int) (f frame, n int, err error) {
	if len(b) < 2 {
		return f, 0, errPart
	}
	f.final, f.op = b[0]&0x80 != 0, opcode(b[0]&0x0F)
	size := uint64(b[1] & 0x7F)
	control := f.op >= opClose
	switch {
	case b[0]&0x70 != 0, f.op > opBinary && f.op < opClose, f.op > opPong:
		return f, 0, errReserved
	case b[1]&0x80 == 0:
		return f, 0, errUnmasked
	case control && (size > controlSize || !f.final):
		return f, 0, errControl
	}
	n = 2
	switch size {
	case 126:
		if n = 4; len(b) < n {
			return f, 0, errPart
		}
		if size = uint64(binary.BigEndian.Uint16(b[2:])); size < 126 {
			return f, 0, errLength
		}
	case 127:
		if n = 10; len(b) < n {
			return f, 0, errPart
		}
		if size = binary.BigEndian.Uint64(b[2:]); size < 1<<16 {
			return f, 0, errLength
		}
	}
	if !control && size > uint64(max(limit, 0)) {
		return f, 0, errLarge
	}
	if len(b) < n+len(f.mask) {
		return f, 0, errPart
	}
	copy(f.mask[:], b[n:])
	f.size = int(size)
	return f, n + len(f.mask), nil
}

// appendFrame appends an unmasked frame: the side of a server (RFC 6455 §5.1).
func appendFrame(dst []byte, op opcode, payload []byte) []byte {
	dst = append(dst, 0x80|byte(op))
	switch n := len(payload); {
	case n < 126:
		dst = append(dst, byte(n))
	case n < 1<<16:
		dst = binary.BigEndian.AppendUint16(append(dst, 126), uint16(n))
	default:
		dst = binary.BigEndian.AppendUint64(append(dst, 127), uint64(n))
	}
	return append(dst, payload...)
}

// opOf is the kind of frame for a message: text as long as it is (RFC 7118 §4.2).
func opOf(wire []byte) opcode {
	if utf8.Valid(wire) {
		return opText
	}
	return opBinary
}

// socket is what there is to know of a WebSocket between two receives.
type socket struct {
	partial []byte // what has come of a message that is in several frames
	op      opcode // of that message; opContinuation: there is none
	code    uint16 // with which it ends; 0: nobody has said
	byPeer  bool   // who has said it
}

// takeFrames cuts b into frames and works on the messages in them, each of which
// is one of SIP (RFC 7118 §5). It returns false when the WebSocket is over.
func (c *Conn) takeFrames(l *lane, b []byte) bool {
	rest, messages := b, 0
	for {
		f, n, err := readFrame(rest, sip.MaxMessage-len(c.ws.partial))
		if err == nil && len(rest)-n >= f.size {
			payload := rest[n : n+f.size : n+f.size]
			rest = rest[n+f.size:]
			ws.Cipher(payload, f.mask, 0)
			var whole bool
			if whole, err = c.takeFrame(l, f, payload); whole {
				messages++
			}
		} else if err == nil {
			err = errPart
		}
		if err == nil {
			continue
		}
		if messages > 0 {
			c.alive.Store(c.s.now.Load())
		}
		c.work(l)
		if err != errPart {
			c.shut(err)
			return false
		}
		break
	}
	switch {
	case len(rest) == 0 && c.ws.op == opContinuation:
		c.since.Store(0)
	case messages > 0 || c.since.Load() == 0, c.ws.op == opContinuation && len(rest) < len(b): // what is left has begun just now
		c.since.Store(c.s.now.Load())
	}
	c.keep(l, rest)
	return true
}

// takeFrame does what one frame asks for; whole tells that it was the last of a
// message.
func (c *Conn) takeFrame(l *lane, f frame, payload []byte) (whole bool, err error) {
	s := c.ws
	switch f.op {
	case opPing: // RFC 6455 §5.5.2
		c.alive.Store(c.s.now.Load())
		c.to.counters.pings.Add(1)
		c.control(l.sender, opPong, payload)
		return false, nil
	case opPong:
		return false, nil
	case opClose:
		return false, c.closed(payload)
	case opContinuation:
		if s.op == opContinuation {
			return false, errOrder
		}
	default:
		if s.op != opContinuation {
			return false, errOrder
		}
		if f.final {
			return true, c.message(l, f.op, payload)
		}
		s.op = f.op
	}
	s.partial = append(s.partial, payload...) // bounded by readFrame
	if !f.final {
		return false, nil
	}
	err = c.message(l, s.op, s.partial)
	c.work(l) // the message lies in partial
	s.partial, s.op = nil, opContinuation
	return true, err
}

// message takes one message: SIP, or a keepalive (RFC 5626 §4.4.1), which is
// answered as one.
func (c *Conn) message(l *lane, op opcode, payload []byte) error {
	switch {
	case op == opText && !utf8.Valid(payload):
		return errText
	case string(payload) == "\r\n\r\n":
		c.pong(l, 1)
	case len(payload) == 0 || string(payload) == "\r\n":
	default:
		c.to.counters.received.Add(1)
		c.packet(l, Packet{Wire: payload, From: c.flow})
	}
	return nil
}

// errClosed says that the peer has sent a Close frame.
var errClosed = errors.New("transport: the peer has closed the WebSocket")

// closed notes the status code of a Close frame: it is sent back (RFC 6455
// §5.5.1).
func (c *Conn) closed(payload []byte) error {
	c.ws.byPeer = true
	c.ws.code = noStatus
	if len(payload) == 0 {
		return errClosed
	}
	if len(payload) == 1 || !utf8.Valid(payload[2:]) {
		return errCloseFrame
	}
	code := binary.BigEndian.Uint16(payload)
	if code < 1000 || code == 1004 || code == noStatus || code == 1006 || code > 1014 && code < 3000 || code > 4999 {
		return errCloseFrame // RFC 6455 §7.4: not for a Close frame
	}
	c.ws.code = code
	return errClosed
}

// noStatus stands for a Close frame without a status code (RFC 6455 §7.4.1); it
// is never on the wire.
const noStatus = 1005

// shut notes why the WebSocket ends.
func (c *Conn) shut(err error) {
	var bad *closeError
	if errors.As(err, &bad) {
		c.ws.code, c.ws.byPeer = bad.code, false
		c.reason.CompareAndSwap(uint32(notEnded), uint32(EndFraming))
		return
	}
	c.reason.CompareAndSwap(uint32(notEnded), uint32(EndPeer))
}

// CloseCodes is how many groups of status codes of WebSockets are counted apart.
const CloseCodes = 9

// CloseCode is the label of a group.
func CloseCode(i int) string {
	return [CloseCodes]string{"1000", "1001", "1002", "1003", "1005", "1007", "1008", "1009", "other"}[i]
}

func closeGroup(code uint16) int {
	switch code {
	case 1000, 1001, 1002, 1003:
		return int(code - 1000)
	case noStatus:
		return 4
	case 1007, 1008, 1009:
		return int(code-1007) + 5
	}
	return CloseCodes - 1
}

// goodbye is the payload of the Close frame that c sends, and counts it. Who has
// not said why goes away (RFC 6455 §7.4.1).
func (s *socket) goodbye(c *Conn) []byte {
	who := 1
	if s.byPeer {
		who = 0
	}
	if s.code == 0 {
		s.code = 1001
	}
	c.to.counters.closes[who][closeGroup(s.code)].Add(1)
	if s.code == noStatus {
		return nil
	}
	return binary.BigEndian.AppendUint16(nil, s.code)
}
