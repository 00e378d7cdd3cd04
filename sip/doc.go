// Package sip is the SIP message of RFC 3261 §7 and §25: reading it, editing it,
// answering it, and cutting it out of a byte stream. It knows no transaction,
// no routing and no socket.
//
//	           Framer.Next                Message.Parse
//	stream ───────────────▶ one message ─────────────────▶ index of lines (offsets)
//	datagram ──────────────────▲                              │
//	                                                          ├─ First, Values, Lines     values as written
//	                                                          ├─ TopVia, URI, Sequence …  views, on demand
//	                                                          ├─ Check                    §16.3 step 1
//	                                                          │
//	  bytes out ◀── Rewriter.AppendTo (edited ranges replaced, all else copied verbatim)
//	            ◀── AppendResponse, AppendAck, AppendCancel
//
// A Message is an index over bytes that somebody else owns. Parse walks the
// header part once and notes where each line, name and value begins and ends;
// nothing is copied, and values are read only when they are asked for. All
// byte slices handed out point into those bytes: they are valid as long as the
// bytes are left alone and, for typed views, until the next Parse.
//
// What is not edited leaves exactly as it came: compact names, folding, white
// space, order, unknown fields, bodies. The one exception is the SIP-Version,
// which is sent in upper case (RFC 3261 §7.1).
//
// Three places judge a message. Parse judges the framing: start line, line ends,
// names, limits, doubled fields, Content-Length. Check judges what a proxy has to
// understand (RFC 3261 §16.3 step 1). Whatever else is damaged is none of a
// proxy's business and passes. All faults are *SyntaxError and know the response
// that they deserve; for a message that is a response they mean: drop it.
//
// # Limits
//
// Before anything is kept the sizes are bounded: MaxMessage and MaxHeaderPart
// (513 above), MaxURI (414 for a Request-URI, else 400), and with 400 MaxHeaders,
// MaxVias, MaxRoutes, MaxParams, MaxUser and MaxTag.
//
// # Tolerance
//
// The grammar is that of RFC 3261 §25.1 with the addresses of RFC 5954, and is
// kept where it routes. These deviations are accepted because deployed equipment
// needs them and none makes a message ambiguous: '_' in host names, domain
// labels that begin with a digit, '#' in the user part, an empty value after '='
// in parameters, '=' and other visible characters inside a parameter value, 8-bit
// and separator characters in an unquoted display name (but none of , ; " < > \),
// the extra colon of RFC 3261's own IPv6 grammar (RFC 5118 §4.10), and a
// Status-Line that ends after the code.
package sip
