package policy

import "net/netip"

// MaxLets is how many names the `let` of one rule can give.
const MaxLets = 16

// Let computes one value of a rule's `let` and keeps it in a place of its own,
// until the lets of the next rule: what it is made of may be edited later.
type Let func(*Facts)

type letValue struct {
	text   []byte
	number int64
	truth  bool
	addr   netip.Addr
	row    Row
}

// let computes the lets of r.
func (f *Facts) let(r *Rule) {
	for _, set := range r.Let {
		set(f)
	}
}

// KeepText, KeepNumber, KeepBool, KeepAddr and KeepRow compute a value into place
// at, from 0 to MaxLets-1; LetText and so on read it.

func KeepText(at int, t Text) Let     { return func(f *Facts) { f.lets[at].text = t(f) } }
func KeepNumber(at int, n Number) Let { return func(f *Facts) { f.lets[at].number = n(f) } }
func KeepBool(at int, b Bool) Let     { return func(f *Facts) { f.lets[at].truth = b(f) } }
func KeepAddr(at int, a Addr) Let     { return func(f *Facts) { f.lets[at].addr = a(f) } }
func KeepRow(at int, r Find) Let      { return func(f *Facts) { f.lets[at].row = r(f) } }

func LetText(at int) Text     { return func(f *Facts) []byte { return f.lets[at].text } }
func LetNumber(at int) Number { return func(f *Facts) int64 { return f.lets[at].number } }
func LetBool(at int) Bool     { return func(f *Facts) bool { return f.lets[at].truth } }
func LetAddr(at int) Addr     { return func(f *Facts) netip.Addr { return f.lets[at].addr } }
func LetRow(at int) Find      { return func(f *Facts) Row { return f.lets[at].row } }
