package config

import (
	"fmt"
	"math/big"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"viaduct/internal/policy"
	"viaduct/sip"
)

// kind is the type of an expression.
type kind uint8

const (
	bad      kind = iota // already reported
	text                 // "…", and most fields
	domain               // a host: reads in lower case, compares as RFC 3261 §19.1.4 says
	number               // a whole number
	fraction             // a number with decimals, known at load
	truth                // true or false
	address              // an IP address
	method               // a SIP method
	set                  // network.X or group.X
	list                 // […]
	row                  // table.X[key]
	peer                 // tls.peer
)

var kindNames = [...]string{
	bad: "nothing", text: "a text", domain: "a domain", number: "a number", fraction: "a number with decimals", truth: "a bool",
	address: "an address", method: "a method", set: "a set of addresses", list: "a list", row: "a row", peer: "the names of a peer",
}

func (k kind) String() string { return kindNames[k] }

// kinds is a set of kinds.
type kinds uint16

func anyOf(list ...kind) kinds {
	var s kinds
	for _, k := range list {
		s |= 1 << k
	}
	return s
}

func (s kinds) has(k kind) bool { return s&(1<<k) != 0 }

// String names the kinds in a message: "a text or a number".
func (s kinds) String() string {
	var names []string
	for k := range kindNames {
		if s.has(kind(k)) {
			names = append(names, kindNames[k])
		}
	}
	if n := len(names); n > 1 {
		return strings.Join(names[:n-1], ", ") + " or " + names[n-1]
	}
	return strings.Join(names, "")
}

// textual are the kinds that have a natural form as text.
var textual = anyOf(text, domain, address, method)

// value is a checked and compiled expression. One of the closures is set,
// according to kind; when fixed it does not read its Facts, and the
// corresponding plain value is set too.
type value struct {
	kind  kind
	rng   hcl.Range
	fixed bool

	text   policy.Text
	number policy.Number
	truth  policy.Bool
	addr   policy.Addr
	prefix *policy.Prefixes // set
	row    policy.Find      // … of table
	table  *policy.Table
	items  []value    // list
	method sip.Method // a fixed method

	str  string
	n    int64
	b    bool
	frac *big.Float

	group   *group      // group.X
	present policy.Bool // what has() asks, when it is not "is not empty"
	uri     bool        // a whole URI of the message
	fold    bool        // reads in lower case
	words   []string    // the texts that it can be, when these are known

	// a column of a table that holds numbers, or bools, only
	asNumber policy.Number
	asTruth  policy.Bool
}

// turn makes a column that holds numbers a number, and likewise for bools, where
// a number or a bool is wanted and a text is not.
func (v *value) turn(allowed kinds) {
	switch {
	case v.kind != text || allowed.has(text):
	case v.asNumber != nil && allowed.has(number):
		v.kind, v.number = number, v.asNumber
	case v.asTruth != nil && allowed.has(truth):
		v.kind, v.truth = truth, v.asTruth
	}
}

func fixedText(s string, rng hcl.Range) value {
	return value{kind: text, rng: rng, fixed: true, str: s, text: policy.Const(s)}
}

func fixedNumber(n int64, rng hcl.Range) value {
	return value{kind: number, rng: rng, fixed: true, n: n, number: policy.Int(n)}
}

func fixedTruth(b bool, rng hcl.Range) value {
	v := value{kind: truth, rng: rng, fixed: true, b: b, truth: policy.False}
	if b {
		v.truth = policy.True
	}
	return v
}

// textOf makes a value of a text that was computed from others: fixed when
// these are, since then it reads nothing of a message.
func textOf(t policy.Text, rng hcl.Range, from ...value) value {
	if allFixed(from) {
		return fixedText(string(t(new(policy.Facts))), rng)
	}
	return value{kind: text, rng: rng, text: t}
}

// numberOf is textOf for a number.
func numberOf(n policy.Number, rng hcl.Range, from ...value) value {
	if allFixed(from) {
		return fixedNumber(n(new(policy.Facts)), rng)
	}
	return value{kind: number, rng: rng, number: n}
}

// truthOf is textOf for a bool.
func truthOf(b policy.Bool, rng hcl.Range, from ...value) value {
	if allFixed(from) {
		return fixedTruth(b(new(policy.Facts)), rng)
	}
	return value{kind: truth, rng: rng, truth: b}
}

func allFixed(list []value) bool {
	for i := range list {
		if !list[i].fixed {
			return false
		}
	}
	return true
}

// asText is the value written as text. Its kind must be textual or a number.
func (v *value) asText() policy.Text {
	switch v.kind {
	case number:
		return policy.Decimal(v.number)
	case address:
		return policy.AddrText(v.addr)
	case method:
		if v.fixed {
			return policy.Const(v.method.String())
		}
		return policy.MethodText()
	}
	return v.text
}

// describe names the value in a message: its kind, and what it is when known.
func (v *value) describe() string {
	if v.fixed && v.kind == text {
		return fmt.Sprintf("the text %q", v.str)
	}
	if v.fixed && v.kind == number {
		return fmt.Sprintf("the number %d", v.n)
	}
	return v.kind.String()
}
