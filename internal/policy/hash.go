package policy

// FNV-1a, 32 bits.
const (
	fnvOffset uint32 = 2166136261
	fnvPrime  uint32 = 16777619
)

// fnv adds b to the hash h.
func fnv[S ~string | ~[]byte](h uint32, b S) uint32 {
	for i := range len(b) {
		h = (h ^ uint32(b[i])) * fnvPrime
	}
	return h
}

// HashName is the stable hash (FNV-1a, never 0) used for rules, groups and
// listeners in Route cookies: the same over restarts, reloads and nodes.
func HashName(kind, name string) uint32 {
	h := fnv(fnvOffset, kind)
	h = fnv(h, "\x00")
	h = fnv(h, name)
	if h == 0 {
		return 1
	}
	return h
}

// Hash is a number from 0 to 2^32-1 that depends on the texts and on nothing
// else. Each text is closed by a byte that no text contains, so that moving a
// character from one to the next changes the result.
func Hash(texts ...Text) Number {
	return func(f *Facts) int64 {
		h := fnvOffset
		for _, t := range texts {
			h = fnv(h, t(f))
			h = (h ^ 0xff) * fnvPrime
		}
		return int64(h)
	}
}
