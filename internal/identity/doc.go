// Package identity is RFC 3325 with the parts of RFC 3323 that it needs: who is
// said to be calling, and to whom that is told.
//
//	               ┌────────┐ P-Preferred-Identity: out, a hint at most
//	message ──────▶│ Policy │ P-Asserted-Identity: out unless a trusted node wrote it;
//	from trusted?  │ .Edit  │   in for an authenticated user, toward who is trusted
//	to trusted?    │        │ to others: out when Privacy asks for it, or always
//	who is it?     └───┬────┘
//	                   ▼
//	              sip.Rewriter
//
// The trust domain is configured, node by node; by default it is empty (RFC 3325
// §1: without a Spec(T) there is none). Everything here is a function of one
// message and the Facts about it, for requests and for responses, and for each
// branch of its own, because branches go to nodes that are trusted and to others.
//
// From, To and Contact are never changed: hiding them takes a back-to-back user
// agent (RFC 3323 §5.1, §5.3), which a proxy is not. So header, session and user
// privacy are not offered, and a request that must have them is refused.
package identity
