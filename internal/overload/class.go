package overload

import "bytes"

// Class is how much a message is wanted, the most wanted first.
type Class uint8

// The classes. Of equal age a server that is behind keeps those that come first.
const (
	UnderWay Class = iota // a response, an ACK, a CANCEL, or a request inside a dialog
	Call                  // an INVITE
	Refresh               // a REGISTER of somebody who was here before
	Register              // any other REGISTER
	Other                 // everything else
	Classes  = iota
)

var classNames = [Classes]string{"under_way", "call", "refresh", "register", "other"}

// String is the name in metrics.
func (c Class) String() string { return classNames[c] }

// maxScan bounds how many bytes are looked at for the header fields that tell
// classes apart. They stand near the beginning; what hides them further down is
// taken for something new.
const maxScan = 4 << 10

// ClassOf tells the class of a message by its first line, and by To, Authorization
// and CSeq where that does not decide. It may err on garbage, to the disadvantage of
// those who send it.
//
// A REGISTER is a refresh when it has credentials or is not the first of its
// Call-ID (RFC 3261 §10.2): then work has gone into it before.
func ClassOf(wire []byte) Class {
	wire = bytes.TrimLeft(wire, "\r\n") // RFC 3261 §7.5
	method, rest, ok := bytes.Cut(wire[:min(len(wire), maxScan)], []byte(" "))
	switch {
	case !ok:
		return Other
	case len(method) >= 4 && bytes.EqualFold(method[:4], []byte("SIP/")):
		return UnderWay
	}
	first := Other
	switch string(method) {
	case "ACK", "CANCEL":
		return UnderWay
	case "INVITE":
		first = Call
	case "REGISTER":
		first = Register
	}
	for line := range lines(rest) {
		name, value, ok := bytes.Cut(line, []byte(":"))
		if !ok {
			continue
		}
		switch name = bytes.TrimRight(name, " \t"); len(name) {
		case 1, 2:
			if first != Register && (bytes.EqualFold(name, []byte("to")) || name[0]|0x20 == 't' && len(name) == 1) {
				if tagged(value) {
					return UnderWay
				}
				return first
			}
		case 4:
			if first == Register && bytes.EqualFold(name, []byte("CSeq")) && again(value) {
				return Refresh
			}
		case 13:
			if first == Register && bytes.EqualFold(name, []byte("Authorization")) {
				return Refresh
			}
		}
	}
	return first
}

// lines goes through the header lines of b, each with its continuation lines, and
// ends at the empty one. The first is what is left of the start line.
func lines(b []byte) func(yield func([]byte) bool) {
	return func(yield func([]byte) bool) {
		for len(b) > 0 {
			end := 0
			for {
				n := bytes.IndexByte(b[end:], '\n')
				if n < 0 {
					end = len(b)
					break
				}
				if end += n + 1; end == len(b) || b[end] != ' ' && b[end] != '\t' {
					break
				}
			}
			line := bytes.TrimRight(b[:end], "\r\n")
			if len(line) == 0 || !yield(line) {
				return
			}
			b = b[end:]
		}
	}
}

// tagged reports whether the value of a To has a tag: among the parameters behind
// the angle brackets, or behind the address where there are none.
func tagged(value []byte) bool {
	if at := bytes.LastIndexByte(value, '>'); at >= 0 {
		value = value[at:]
	}
	for {
		_, after, ok := bytes.Cut(value, []byte(";"))
		if !ok {
			return false
		}
		value = after
		name, _, ok := bytes.Cut(value, []byte("="))
		if ok && bytes.EqualFold(bytes.TrimSpace(name), []byte("tag")) {
			return true
		}
	}
}

// again reports whether the value of a CSeq is above 1.
func again(value []byte) bool {
	value = bytes.TrimLeft(value, " \t0")
	return len(value) > 1 && value[0] >= '1' && value[0] <= '9' && (value[0] > '1' || value[1] >= '0' && value[1] <= '9')
}
