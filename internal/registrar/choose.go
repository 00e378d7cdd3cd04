package registrar

import (
	"bytes"

	"viaduct/internal/location"
)

// Choose parts what a lookup of an AOR found: targets are those to call, of each
// instance the most recently refreshed only, in the order in which they were
// found; standby are the others of these instances, the most recent first. RFC
// 5626 §7: never two of one instance at a time, and the next only after a 408 or
// 430 of the one before; after any other final response the instance has spoken.
// RFC 5627 §6.1 says the same of instances without reg-id. Both are parts of found.
func Choose(found []location.Binding) (targets, standby []location.Binding) {
	n := 0
	for i := range found {
		if latestOfItsInstance(found, i) {
			found[n], found[i] = found[i], found[n]
			n++
		}
	}
	targets, standby = found[:n:n], found[n:]
	sortRecent(standby)
	return targets, standby
}

// SameInstance reports whether two bindings of one AOR lead to one instance.
func SameInstance(a, b *location.Binding) bool {
	return len(a.Instance) > 0 && bytes.Equal(a.Instance, b.Instance)
}

func latestOfItsInstance(found []location.Binding, i int) bool {
	for j := range found {
		if SameInstance(&found[i], &found[j]) && moreRecent(&found[j], &found[i]) {
			return false
		}
	}
	return true
}
