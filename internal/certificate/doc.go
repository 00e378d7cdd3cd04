// Package certificate is RFC 5922: which SIP domains a certificate speaks for,
// which of ours is shown to whom, and when new ones take the place of old ones.
//
//	files ──▶ Load ──▶ Set ──▶ For(ClientHello): the pair to show
//	            ▲       │
//	            └─ Watch: changed? fit? then the next Set, else the old one stays
//
//	chain of a peer ──▶ Trust.Verify ──▶ identities ──▶ Names(identities, domain)
//
// A Set and a Trust are immutable. The package opens no socket, starts nothing
// and logs nothing; what it reads of the disk it reads when it is called.
package certificate
