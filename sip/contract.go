package sip

// CONTRACT (temporary file): the exported surface that the other packages are
// being written against. The owner of package sip replaces every stub here by
// the real thing in proper files and deletes this file. Signatures may gain
// companions but must not change without telling everybody.

import (
	"net/netip"
)

// ---- identifiers -----------------------------------------------------------

// HeaderID identifies a header field that the project acts on; compact forms
// map to the same ID (RFC 3261 §7.3.3).
type HeaderID uint8

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
	numHeaders
)

// Method identifies a method; compare names with case (RFC 3261 §7.1).
type Method uint8

const (
	OtherMethod Method = iota
	INVITE
	ACK
	CANCEL
	BYE
	OPTIONS
	REGISTER
	PRACK
	UPDATE
	INFO
	MESSAGE
	SUBSCRIBE
	NOTIFY
	REFER
	PUBLISH
)

// ---- the message -----------------------------------------------------------

// SyntaxError says what is wrong with a message, where, and which response it
// deserves (400, 413, 505, 513 …; for a response message it means: drop).
type SyntaxError struct {
	Status int    // response code for a request with this fault
	Offset int    // byte offset in the wire
	What   string // constant text: becomes the reason phrase, e.g. "Bad CSeq"
}

func (e *SyntaxError) Error() string { panic("contract") }

// Message is an index over bytes that it does not own. Reusable; Parse does not
// allocate in steady state.
type Message struct{ wire []byte }

// Parse indexes wire in one pass, as one datagram: CRLFs before the start line
// are skipped, bytes beyond Content-Length are cut off (see Wire). It checks
// framing: start line, header names, line ends, NUL, limits of safety.md rule 1,
// doubled single-value headers, Content-Length against the body. Values stay
// unparsed. After an error the index still holds what could be read, so that a
// response can be built: see Answerable. Error is a *SyntaxError owned by m.
func (m *Message) Parse(wire []byte) error { panic("contract") }

// Check is RFC 3261 §16.3 step 1 for a request (all headers a proxy needs are
// present and parse; CSeq method equals the method; Request-URI, every Via,
// Route, To, From, Max-Forwards, Max-Breadth…; nothing else), and the least a
// response needs (top Via, CSeq, Call-ID, From, To). Error is a *SyntaxError.
func (m *Message) Check() error { panic("contract") }

// Answerable reports whether m is a request, not an ACK, with a top Via that
// can be parsed, so that an error response can be addressed and sent.
func (m *Message) Answerable() bool { panic("contract") }

func (m *Message) Wire() []byte                   { panic("contract") } // the message without leading CRLFs and surplus
func (m *Message) HeaderPart() []byte             { panic("contract") } // start line to the empty line, included
func (m *Message) Body() []byte                   { panic("contract") }
func (m *Message) IsRequest() bool                { panic("contract") }
func (m *Message) Method() Method                 { panic("contract") } // of a request
func (m *Message) MethodName() []byte             { panic("contract") } // as written
func (m *Message) RequestURI() []byte             { panic("contract") } // as written
func (m *Message) Status() int                    { panic("contract") } // 0 for a request
func (m *Message) ReasonPhrase() []byte           { panic("contract") }
func (m *Message) Has(id HeaderID) bool           { panic("contract") }
func (m *Message) CallIDValue() []byte            { panic("contract") } // nil when absent; no view into another line
func (m *Message) Get(name string) ([]byte, bool) { panic("contract") } // first value of any header by name (long or compact), raw line value trimmed

// Value is one element of a header field: of a list header, one of its
// comma-separated values; else the whole value. Text points into the wire at
// Pos, without white space around it (folds may be inside).
type Value struct {
	Text []byte
	Pos  int
}

// First returns the first value of a header.
func (m *Message) First(id HeaderID) (Value, bool) { panic("contract") }

// Values walks all values of a header in order, over all its lines, splitting
// list headers at commas lazily (quotes and <> protect commas).
//
//	for it := m.Values(sip.Route); it.Next(); { use(it.Value) }
func (m *Message) Values(id HeaderID) Values { panic("contract") }

type Values struct {
	Value Value
	m     *Message
}

func (it *Values) Next() bool { panic("contract") }

// Lines walks every header line as it stands, known or not.
func (m *Message) Lines() Lines { panic("contract") }

type Lines struct {
	ID    HeaderID
	Name  []byte
	Value Value
}

func (it *Lines) Next() bool { panic("contract") }

// Typed views, parsed at the first call and kept until the next Parse.
func (m *Message) TopVia() (*ViaValue, error)                         { panic("contract") }
func (m *Message) FromAddress() (*Address, error)                     { panic("contract") }
func (m *Message) ToAddress() (*Address, error)                       { panic("contract") }
func (m *Message) FromTag() []byte                                    { panic("contract") } // nil when absent
func (m *Message) ToTag() []byte                                      { panic("contract") }
func (m *Message) Sequence() (Sequence, error)                        { panic("contract") } // CSeq
func (m *Message) MaxForwardsValue() (n int, present bool, err error) { panic("contract") }
func (m *Message) MaxBreadthValue() (n int, present bool, err error)  { panic("contract") }
func (m *Message) URI() (*URI, error)                                 { panic("contract") } // the Request-URI

type Sequence struct {
	Number uint32
	Method Method
	Name   []byte
}

// ---- views of values -------------------------------------------------------

// Params is a run of ";name=value" as written (the first byte is ';' or LWS, or it is empty).
type Params []byte

// Get finds a parameter by name without regard to case. value is without quotes' surrounding
// LWS but with its quotes, empty for ";name".
func (p Params) Get(name string) (value []byte, ok bool) { panic("contract") }
func (p Params) Has(name string) bool                    { panic("contract") }

// Each walks them: for it := p.Each(); it.Next(); { it.Name, it.Value }
func (p Params) Each() ParamIter { panic("contract") }

type ParamIter struct {
	Name, Value []byte
	HasValue    bool
	Err         bool
}

func (it *ParamIter) Next() bool { panic("contract") }

type ViaValue struct {
	Value     Value
	Transport []byte // "UDP", as written
	Host      []byte // as written, IPv6 with brackets
	Port      uint16 // 0: none written
	SentBy    []byte // host[:port] as written
	Branch    []byte // nil: none
	Received  []byte // as written
	RPort     []byte // digits, empty for ";rport"
	HasRPort  bool
	MAddr     []byte
	TTL       []byte
	Params    Params
}

func ParseVia(text []byte) (ViaValue, error) { panic("contract") }

// HasCookie reports whether the branch starts with z9hG4bK (without regard to case) and has more than that.
func (v *ViaValue) HasCookie() bool { panic("contract") }

// Address is name-addr or addr-spec with header parameters: From, To, Contact, Route, Record-Route, Path.
type Address struct {
	Display []byte // as written, quotes included
	URI     []byte
	Params  Params // header parameters
	Angle   bool   // URI was in <>
}

func ParseAddress(text []byte) (Address, error) { panic("contract") }
func (a *Address) Tag() []byte                  { panic("contract") }

// Q is the q parameter in thousandths; def when absent or bad.
func (a *Address) Q(def int) int { panic("contract") }

// Scheme of a URI.
type Scheme uint8

const (
	OtherScheme Scheme = iota
	SIP
	SIPS
	TEL
)

type URI struct {
	Text        []byte
	SchemeName  []byte
	Scheme      Scheme
	User        []byte // as written, escapes kept
	Password    []byte
	HasUser     bool
	HasPassword bool
	Host        []byte // as written, IPv6 with brackets
	Port        uint16 // 0: none written
	HasPort     bool
	Params      Params
	Headers     []byte // after '?', nil when there is none
}

// ParseURI reads sip: and sips: URIs whole (RFC 3261 §25.1, RFC 5954) and others as scheme and rest.
func ParseURI(text []byte) (URI, error) { panic("contract") }
func (u *URI) IsSIP() bool              { panic("contract") } // sip or sips
func (u *URI) Equal(v *URI) bool        { panic("contract") } // RFC 3261 §19.1.4
func (u *URI) Addr() (netip.Addr, bool) { panic("contract") } // host as literal address
func (u *URI) LooseRouter() bool        { panic("contract") } // lr, in any case, with any value
func (u *URI) MAddr() []byte            { panic("contract") } // nil when absent
func (u *URI) Transport() []byte        { panic("contract") } // transport parameter, nil when absent

// AppendRequestURI appends u as it may stand in a Request-URI: without method parameter and headers
// part (§19.1.1 Table 1), all else as written.
func (u *URI) AppendRequestURI(dst []byte) []byte { panic("contract") }

// HostAddr reads a host as written ("192.0.2.1", "[2001:db8::1]") as an address.
func HostAddr(host []byte) (netip.Addr, bool) { panic("contract") }

// EqualHost compares host names without regard to case, literals by value.
func EqualHost(a, b []byte) bool { panic("contract") }

// AppendUnescaped appends s with its %HH decoded once.
func AppendUnescaped(dst, s []byte) []byte { panic("contract") }

// ---- writing ---------------------------------------------------------------

// Rewriter is a few sorted range edits over a Message; all else is copied verbatim.
// Texts given are copied into the Rewriter. No allocation in steady state.
type Rewriter struct{ m *Message }

func (r *Rewriter) Reset(m *Message)                 { panic("contract") }
func (r *Rewriter) SetRequestURI(uri []byte)         { panic("contract") }
func (r *Rewriter) SetMaxForwards(n int)             { panic("contract") } // replaces, or adds the line
func (r *Rewriter) SetMaxBreadth(n int)              { panic("contract") } // exactly one value stays
func (r *Rewriter) PushVia(value []byte)             { panic("contract") } // a Via line of its own above all others
func (r *Rewriter) PopVia()                          { panic("contract") } // exactly the top value, also out of a comma list
func (r *Rewriter) StampVia(src netip.AddrPort)      { panic("contract") } // received/rport of §18.2.1, RFC 3581 §4 in the top Via of the received request; forged ones replaced
func (r *Rewriter) PushRoute(value []byte)           { panic("contract") } // above all Route values; repeated calls: the last pushed is topmost
func (r *Rewriter) AppendRoute(value []byte)         { panic("contract") } // below all Route values
func (r *Rewriter) PushRecordRoute(value []byte)     { panic("contract") } // above all Record-Route values; last pushed topmost
func (r *Rewriter) RemoveValue(id HeaderID, v Value) { panic("contract") } // one element of Route, Proxy-Authorization…; its line too when it was the only one
func (r *Rewriter) RemoveAll(id HeaderID)            { panic("contract") }
func (r *Rewriter) Add(name string, value []byte)    { panic("contract") } // a line at the end of the header part (next to its own kind when there is one: below them)
func (r *Rewriter) Set(id HeaderID, value []byte)    { panic("contract") } // replaces all values by one line, or adds it
func (r *Rewriter) Replace(v Value, text []byte)     { panic("contract") } // any value
func (r *Rewriter) EnsureContentLength()             { panic("contract") } // adds it when missing (§16.6 step 9)
func (r *Rewriter) DropBody()                        { panic("contract") } // body off, Content-Length 0
func (r *Rewriter) AppendTo(dst []byte) []byte       { panic("contract") }
func (r *Rewriter) Size() int                        { panic("contract") } // upper bound of what AppendTo adds

// Response describes a response built from a request (§8.2.6).
type Response struct {
	Status  int
	Reason  string         // "" for the RFC's phrase of Status
	Tag     []byte         // To tag to add when To has none; nil adds none (100)
	Source  netip.AddrPort // where the request came from: received/rport go into the top Via; invalid: as written
	Headers []byte         // whole header lines with CRLF, e.g. "Unsupported: a, b\r\n"
	Server  string         // Server header, "" for none
}

// AppendResponse builds the response: all Via values, From, To, Call-ID, CSeq, for 100 also Timestamp, Content-Length 0.
// It copes with requests that lack some of them. Single-value faults are not repeated.
func AppendResponse(dst []byte, req *Message, r *Response) []byte { panic("contract") }

// AppendAck builds the ACK to a 300-699 from the INVITE as sent (or its skeleton) and the response's To (§17.1.1.3).
func AppendAck(dst []byte, invite *Message, to []byte) []byte { panic("contract") }

// AppendCancel builds the CANCEL of an INVITE as sent (or its skeleton); reason is the value of a Reason header or nil (§9.1, RFC 3326).
func AppendCancel(dst []byte, invite *Message, reason []byte) []byte { panic("contract") }

// AppendSkeleton appends what AppendAck and AppendCancel need of an INVITE as sent: start line, top Via, Route, From, To,
// Call-ID, CSeq, Max-Forwards, Content-Length 0. The result parses.
func AppendSkeleton(dst []byte, invite *Message) []byte { panic("contract") }

// StatusText is the RFC's reason phrase.
func StatusText(status int) string { panic("contract") }

// HeaderName is the long name of id.
func HeaderName(id HeaderID) string { panic("contract") }

// ---- streams ---------------------------------------------------------------

// Framer cuts a byte stream into messages (§18.3, RFC 5626 §4.4.1).
type Framer struct{ state int }

type FrameKind uint8

const (
	NeedMore  FrameKind = iota // no whole message yet
	FrameMsg                   // buf[skip:skip+n] is a message
	FramePing                  // CRLFCRLF: answer CRLF
	FramePong                  // a single CRLF
	FrameBad                   // the stream cannot be framed: 400 if it can be addressed, then close
)

// Next looks at the bytes that have arrived and were not consumed; n is how many to consume (for
// FrameBad: those that hold the header part, to build the 400 from). The Framer keeps how far it has
// searched, so that a message in 1-byte writes costs linear time.
func (f *Framer) Next(buf []byte) (kind FrameKind, n int, err error) { panic("contract") }
