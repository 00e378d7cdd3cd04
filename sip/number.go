package sip

// number reads s as 1*DIGIT of at most ten digits and at most max. There is no
// sign, and nothing that wraps: every number of a message comes through here.
func number(s []byte, max uint64) (n uint64, ok bool) {
	if len(s) == 0 || len(s) > 10 {
		return 0, false
	}
	for _, c := range s {
		if !isDigit(c) {
			return 0, false
		}
		n = n*10 + uint64(c-'0')
	}
	return n, n <= max
}

// ParseNumber reads s as 1*DIGIT of at most ten digits, without sign or white
// space; ok is false for anything else and above max.
func ParseNumber(s []byte, max uint64) (n uint64, ok bool) { return number(s, max) }
