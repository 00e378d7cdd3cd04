package policy

import (
	"bytes"
	"net/netip"
	"regexp"

	"viaduct/sip"
)

// True and False are constant conditions.
func True(*Facts) bool  { return true }
func False(*Facts) bool { return false }

// And holds when all do; the rest is not looked at after the first that does not.
func And(list ...Bool) Bool {
	if len(list) == 2 {
		a, b := list[0], list[1]
		return func(f *Facts) bool { return a(f) && b(f) }
	}
	return func(f *Facts) bool {
		for _, c := range list {
			if !c(f) {
				return false
			}
		}
		return true
	}
}

// Or holds when one does; the rest is not looked at after the first that does.
func Or(list ...Bool) Bool {
	if len(list) == 2 {
		a, b := list[0], list[1]
		return func(f *Facts) bool { return a(f) || b(f) }
	}
	return func(f *Facts) bool {
		for _, c := range list {
			if c(f) {
				return true
			}
		}
		return false
	}
}

// Not holds when c does not.
func Not(c Bool) Bool { return func(f *Facts) bool { return !c(f) } }

// EqualBool reports a == b.
func EqualBool(a, b Bool) Bool { return func(f *Facts) bool { return a(f) == b(f) } }

// Equal reports whether two texts are the same, byte by byte.
func Equal(a, b Text) Bool { return func(f *Facts) bool { return bytes.Equal(a(f), b(f)) } }

// EqualDomain compares domains: names without regard to case, addresses by value.
func EqualDomain(a, b Text) Bool {
	return func(f *Facts) bool { return sip.EqualHost(a(f), b(f)) }
}

// EqualAddr compares addresses; two absent ones are equal.
func EqualAddr(a, b Addr) Bool { return func(f *Facts) bool { return a(f) == b(f) } }

// FixedAddr is always a.
func FixedAddr(a netip.Addr) Addr {
	a = a.Unmap()
	return func(*Facts) netip.Addr { return a }
}

// HostAddr reads a host as an address; a name is none.
func HostAddr(host Text) Addr {
	return func(f *Facts) netip.Addr { a, _ := sip.HostAddr(host(f)); return a.Unmap() }
}

// HasAddr is has(a).
func HasAddr(a Addr) Bool { return func(f *Facts) bool { return a(f).IsValid() } }

// StartsWith reports whether s begins with prefix.
func StartsWith(s, prefix Text) Bool {
	return func(f *Facts) bool { return bytes.HasPrefix(s(f), prefix(f)) }
}

// EndsWith reports whether s ends with suffix.
func EndsWith(s, suffix Text) Bool {
	return func(f *Facts) bool { return bytes.HasSuffix(s(f), suffix(f)) }
}

// Contains reports whether part occurs in s.
func Contains(s, part Text) Bool {
	return func(f *Facts) bool { return bytes.Contains(s(f), part(f)) }
}

// Matches reports whether re matches somewhere in s, in time linear in s.
func Matches(s Text, re *regexp.Regexp) Bool { return func(f *Facts) bool { return re.Match(s(f)) } }

// Like reports whether the dial plan p takes the whole of s.
func Like(s Text, p *Pattern) Bool { return func(f *Facts) bool { return p.Match(s(f)) } }

// Within reports whether a is in one of the networks.
func Within(a Addr, set *Prefixes) Bool { return func(f *Facts) bool { return set.Contains(a(f)) } }

// Local reports whether the domain is in the set.
func Local(domain Text, set *Domains) Bool {
	return func(f *Facts) bool { return set.Contains(domain(f)) }
}
