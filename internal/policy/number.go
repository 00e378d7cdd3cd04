package policy

import (
	"bytes"
	"net/netip"
	"strconv"
)

// Addr is a compiled expression that yields an address; the zero Addr when there is none.
type Addr func(*Facts) netip.Addr

// Int is always n.
func Int(n int64) Number { return func(*Facts) int64 { return n } }

// The arithmetic is that of 64-bit integers and wraps around; a division by
// zero gives 0, because an expression cannot fail.

// Add is a + b.
func Add(a, b Number) Number { return func(f *Facts) int64 { return a(f) + b(f) } }

// Subtract is a - b.
func Subtract(a, b Number) Number { return func(f *Facts) int64 { return a(f) - b(f) } }

// Multiply is a * b.
func Multiply(a, b Number) Number { return func(f *Facts) int64 { return a(f) * b(f) } }

// Divide is a / b without the rest, 0 when b is 0.
func Divide(a, b Number) Number {
	return func(f *Facts) int64 {
		if d := b(f); d != 0 {
			return a(f) / d
		}
		return 0
	}
}

// Modulo is the rest of a / b with the sign of a, 0 when b is 0.
func Modulo(a, b Number) Number {
	return func(f *Facts) int64 {
		if d := b(f); d != 0 {
			return a(f) % d
		}
		return 0
	}
}

// Negate is -a.
func Negate(a Number) Number { return func(f *Facts) int64 { return -a(f) } }

// Less reports a < b.
func Less(a, b Number) Bool { return func(f *Facts) bool { return a(f) < b(f) } }

// LessOrEqual reports a <= b.
func LessOrEqual(a, b Number) Bool { return func(f *Facts) bool { return a(f) <= b(f) } }

// EqualNumber reports a == b.
func EqualNumber(a, b Number) Bool { return func(f *Facts) bool { return a(f) == b(f) } }

// NotZero is has(n).
func NotZero(n Number) Bool { return func(f *Facts) bool { return n(f) != 0 } }

// Decimal is n as text.
func Decimal(n Number) Text {
	return func(f *Facts) []byte {
		x := n(f) // may build texts itself
		mark := len(f.Scratch)
		f.Scratch = strconv.AppendInt(f.Scratch, x, 10)
		return f.keep(mark)
	}
}

// AddrText is a as text, empty when there is none.
func AddrText(a Addr) Text {
	return func(f *Facts) []byte {
		x := a(f) // may build texts itself
		mark := len(f.Scratch)
		if x.IsValid() {
			f.Scratch = x.AppendTo(f.Scratch)
		}
		return f.keep(mark)
	}
}

// ParsedNumber is t as a number: digits behind a minus sign or none, 0 for
// anything else.
func ParsedNumber(t Text) Number {
	return func(f *Facts) int64 {
		digits, negative := bytes.CutPrefix(t(f), []byte{'-'})
		if len(digits) > 18 { // what does not fit
			return 0
		}
		n := int64(0)
		for _, c := range digits {
			if c < '0' || c > '9' {
				return 0
			}
			n = n*10 + int64(c-'0')
		}
		if negative {
			return -n
		}
		return n
	}
}
