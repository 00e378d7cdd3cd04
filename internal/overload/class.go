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
				if tagOf(value) != nil {
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

// Repeated reports whether whoever sent the message sends it again when nothing
// comes back: a request other than ACK (RFC 3261 §17.1).
func Repeated(wire []byte) bool {
	wire = bytes.TrimLeft(wire, "\r\n")
	return !bytes.HasPrefix(wire, []byte("ACK ")) && (len(wire) < 4 || !bytes.EqualFold(wire[:4], []byte("SIP/")))
}

// Acknowledges reports whether the message is an ACK with a To tag that begins with
// prefix: that of an answer which this server gave without keeping anything.
func Acknowledges(wire, prefix []byte) bool {
	rest, ok := bytes.CutPrefix(bytes.TrimLeft(wire, "\r\n"), []byte("ACK "))
	if !ok || len(prefix) == 0 {
		return false
	}
	for line := range lines(rest[:min(len(rest), maxScan)]) {
		name, value, ok := bytes.Cut(line, []byte(":"))
		if name = bytes.TrimRight(name, " \t"); !ok || len(name) > 2 || len(name) == 0 || name[0]|0x20 != 't' || len(name) == 2 && name[1]|0x20 != 'o' {
			continue
		}
		tag := tagOf(value)
		return bytes.HasPrefix(tag, prefix)
	}
	return false
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

// tagOf is the tag in the value of a To, nil when it has none: it stands among the
// parameters behind the angle brackets, or behind the address where there are none.
func tagOf(value []byte) []byte {
	if at := bytes.LastIndexByte(value, '>'); at >= 0 {
		value = value[at:]
	}
	for {
		_, after, ok := bytes.Cut(value, []byte(";"))
		if !ok {
			return nil
		}
		value = after
		name, tag, ok := bytes.Cut(value, []byte("="))
		if ok && bytes.EqualFold(bytes.TrimSpace(name), []byte("tag")) {
			return bytes.TrimLeft(tag, " \t\r\n")
		}
	}
}

// again reports whether the value of a CSeq is above 1.
func again(value []byte) bool {
	value = bytes.TrimLeft(value, " \t0")
	return len(value) > 1 && value[0] >= '1' && value[0] <= '9' && (value[0] > '1' || value[1] >= '0' && value[1] <= '9')
}
