package proxy

// Keys are derived from the server secret (seams.md §2): the first signs, all verify.
type Keys struct{}

// NewKeys derives keys from one or more secrets of at least 16 bytes each.
func NewKeys(secrets ...[]byte) (*Keys, error) { panic("contract") }
