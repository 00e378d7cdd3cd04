package sip

import "encoding/binary"

// HeaderID identifies a header field that the project acts on; compact forms
// map to the same ID (RFC 3261 §7.3.3).
type HeaderID uint8

// The header fields with an ID; any other is OtherHeader.
const (
	OtherHeader HeaderID = iota
	Via
	Route
	RecordRoute
	From
	To
	CallID
	CSeq
	Contact
	MaxForwards
	MaxBreadth
	ContentLength
	ContentType
	ContentEncoding
	ProxyRequire
	Require
	Supported
	Unsupported
	Allow
	Expires
	MinExpires
	RetryAfter
	Timestamp
	Authorization
	ProxyAuthorization
	WWWAuthenticate
	ProxyAuthenticate
	Path
	ServiceRoute
	UserAgent
	Server
	Subject
	Reason
	Privacy
	PAssertedIdentity
	PPreferredIdentity
	SessionExpires
	MinSE
	Date
	Event
	Warning
	Accept
	AllowEvents
	ReferTo
	ReferredBy
	AcceptContact
	RejectContact
	RequestDisposition
	Identity
	IdentityInfo
	numHeaders
)

var headerNames = [numHeaders]string{
	Via: "Via", Route: "Route", RecordRoute: "Record-Route", From: "From", To: "To",
	CallID: "Call-ID", CSeq: "CSeq", Contact: "Contact", MaxForwards: "Max-Forwards",
	MaxBreadth: "Max-Breadth", ContentLength: "Content-Length", ContentType: "Content-Type",
	ContentEncoding: "Content-Encoding", ProxyRequire: "Proxy-Require", Require: "Require",
	Supported: "Supported", Unsupported: "Unsupported", Allow: "Allow", Expires: "Expires",
	MinExpires: "Min-Expires", RetryAfter: "Retry-After", Timestamp: "Timestamp",
	Authorization: "Authorization", ProxyAuthorization: "Proxy-Authorization",
	WWWAuthenticate: "WWW-Authenticate", ProxyAuthenticate: "Proxy-Authenticate", Path: "Path",
	ServiceRoute: "Service-Route", UserAgent: "User-Agent", Server: "Server", Subject: "Subject",
	Reason: "Reason", Privacy: "Privacy", PAssertedIdentity: "P-Asserted-Identity",
	PPreferredIdentity: "P-Preferred-Identity", SessionExpires: "Session-Expires", MinSE: "Min-SE",
	Date: "Date", Event: "Event", Warning: "Warning", Accept: "Accept", AllowEvents: "Allow-Events",
	ReferTo: "Refer-To", ReferredBy: "Referred-By", AcceptContact: "Accept-Contact",
	RejectContact: "Reject-Contact", RequestDisposition: "Request-Disposition",
	Identity: "Identity", IdentityInfo: "Identity-Info",
}

// compactNames are the one-letter forms of RFC 3261 §7.3.3 and of RFC 3515,
// 3892, 4028, 6665, 3841 and 4474.
var compactNames = [26]HeaderID{
	'v' - 'a': Via, 'f' - 'a': From, 't' - 'a': To, 'i' - 'a': CallID, 'm' - 'a': Contact,
	'l' - 'a': ContentLength, 'c' - 'a': ContentType, 'e' - 'a': ContentEncoding,
	'k' - 'a': Supported, 's' - 'a': Subject, 'r' - 'a': ReferTo, 'b' - 'a': ReferredBy,
	'x' - 'a': SessionExpires, 'o' - 'a': Event, 'u' - 'a': AllowEvents,
	0: AcceptContact, 'j' - 'a': RejectContact, 'd' - 'a': RequestDisposition,
	'y' - 'a': Identity, 'n' - 'a': IdentityInfo,
}

// idSet is a set of header IDs.
type idSet uint64

func setOf(ids ...HeaderID) (s idSet) {
	for _, id := range ids {
		s |= 1 << id
	}
	return s
}

func (s idSet) has(id HeaderID) bool { return s>>id&1 != 0 }

var (
	// listHeaders have comma-separated values (RFC 3261 §7.3.1). The four digest
	// fields have commas too but are never split or joined.
	listHeaders = setOf(Via, Route, RecordRoute, Contact, Path, ServiceRoute, ProxyRequire, Require,
		Supported, Unsupported, Allow, ContentEncoding, Reason, PAssertedIdentity, PPreferredIdentity,
		Warning, Accept, AllowEvents, AcceptContact, RejectContact, RequestDisposition)

	// addressLists are the lists that route: an empty element in one of them is
	// shown, so that it is found malformed; in others it is passed over.
	addressLists = setOf(Via, Route, RecordRoute, Contact, Path, ServiceRoute)

	// singleHeaders may stand in a message only once (RFC 3261 §7.3.1).
	singleHeaders = setOf(From, To, CallID, CSeq, MaxForwards, ContentLength)
)

// HeaderName is the long name of id, "" for OtherHeader.
func HeaderName(id HeaderID) string {
	if id < numHeaders {
		return headerNames[id]
	}
	return ""
}

// HeaderOf returns the ID of a header name in long or compact form, without
// regard to case; OtherHeader when it has none.
func HeaderOf[T string | []byte](name T) HeaderID {
	var b [maxHeaderName + 8]byte
	if len(name) == 0 || len(name) > maxHeaderName {
		return OtherHeader
	}
	return lookupHeader(b[:], 0, copy(b[:], name))
}

// The known names are found by a perfect hash of length, first and last letter,
// then compared in words of eight bytes with the case bit set. That maps no
// token character onto a letter or '-' but the letter's own upper case, so the
// comparison is exact.
const (
	maxHeaderName = 24
	caseBits      = 0x2020202020202020
)

type headerKey struct {
	words [maxHeaderName / 8]uint64
	size  uint8
	id    HeaderID
}

var headerKeys = buildHeaderKeys()

func headerSlot(n int, first, last byte) int {
	return (n*23 + int(first|0x20)*10 + int(last|0x20)*5) & 127
}

func buildHeaderKeys() (t [128]headerKey) {
	for id := HeaderID(1); id < numHeaders; id++ {
		name := headerNames[id]
		k := &t[headerSlot(len(name), name[0], name[len(name)-1])]
		if k.id != 0 {
			panic("sip: the hash of header names is not perfect")
		}
		var b [maxHeaderName]byte
		copy(b[:], name)
		k.id, k.size = id, uint8(len(name))
		for i := range k.words {
			k.words[i] = wordOf(b[:], i*8, len(name)-i*8)
		}
	}
	return t
}

// wordOf returns up to eight bytes of b from i on in lower case; only n of them count.
func wordOf(b []byte, i, n int) uint64 {
	w := binary.LittleEndian.Uint64(b[i:]) | caseBits
	switch {
	case n >= 8:
		return w
	case n <= 0:
		return 0
	}
	return w & (1<<(8*n) - 1)
}

// lookupHeader identifies the name b[i:i+n], which holds only token characters.
func lookupHeader(b []byte, i, n int) HeaderID {
	if n == 1 {
		if c := b[i] | 0x20 - 'a'; c < 26 {
			return compactNames[c]
		}
		return OtherHeader
	}
	k := &headerKeys[headerSlot(n, b[i], b[i+n-1])]
	if int(k.size) != n {
		return OtherHeader
	}
	if i+maxHeaderName > len(b) { // at the very end: compare byte by byte
		if equalFold(b[i:i+n], headerNames[k.id]) {
			return k.id
		}
		return OtherHeader
	}
	for j := 0; j < n; j += 8 {
		if wordOf(b, i+j, n-j) != k.words[j/8] {
			return OtherHeader
		}
	}
	return k.id
}
