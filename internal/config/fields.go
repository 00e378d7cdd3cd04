package config

import (
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"viaduct/internal/policy"
	"viaduct/sip"
)

// field is something of a message, its source or its transport that an
// expression can read. A word that this version does not have is a row with later set.
type field struct {
	name    string
	later   bool
	indexed bool // has name["X"] too
	source  bool // not in the message: policy.Reads.Source
	time    bool // nor in its source: policy.Reads.Time
	header  sip.HeaderID
	make    func() value
}

func textField(t func(policy.Party) policy.Text, p policy.Party) func() value {
	return func() value { return value{kind: text, text: t(p)} }
}

func wholeURI(p policy.Party) func() value {
	return func() value { return value{kind: text, text: policy.Whole(p), uri: true} }
}

// partyFields are the parts of the four URIs.
func partyFields(prefix string, p policy.Party, header sip.HeaderID) []field {
	list := []field{
		{name: "user", make: func() value { return value{kind: text, text: policy.User(p), present: policy.HasUser(p)} }},
		{name: "domain", make: func() value { return value{kind: domain, text: policy.Domain(p), fold: true} }},
		{name: "port", make: func() value { return value{kind: number, number: policy.Port(p)} }},
		{name: "scheme", make: func() value { return value{kind: text, text: policy.Scheme(p), fold: true} }},
		{name: "params", make: textField(policy.Params, p), indexed: true},
	}
	if p != policy.Dest {
		list = append(list, field{name: "uri", make: wholeURI(p)}, field{name: "display", make: textField(policy.Display, p)})
	}
	if p == policy.From || p == policy.To {
		list = append(list, field{name: "tag", make: textField(policy.Tag, p)})
	}
	for i := range list {
		list[i].name = prefix + "." + list[i].name
		list[i].header = header
	}
	return list
}

var protocolWords = []string{"udp", "tcp", "tls", "ws", "wss"}

// fields is everything that an expression can read.
var fields = slices.Concat(
	[]field{
		{name: "method", make: func() value { return value{kind: method} }},
		{name: "request_uri", make: wholeURI(policy.Dest)},
	},
	partyFields("dest", policy.Dest, sip.OtherHeader),
	partyFields("from", policy.From, sip.OtherHeader),
	partyFields("to", policy.To, sip.OtherHeader),
	partyFields("contact", policy.Contact, sip.Contact),
	[]field{
		{name: "src.ip", source: true, make: func() value { return value{kind: address, addr: policy.SourceIP()} }},
		{name: "src.port", source: true, make: func() value { return value{kind: number, number: policy.SourcePort()} }},
		{name: "transport", source: true, make: func() value {
			return value{kind: text, text: policy.Transport(), fold: true, words: protocolWords}
		}},
		{name: "listener", source: true, make: func() value { return value{kind: text, text: policy.ListenerName()} }},
		{name: "session", source: true, make: func() value {
			return value{kind: text, text: policy.Session(), present: policy.HasSession()}
		}},
		{name: "tls.peer", source: true, make: func() value { return value{kind: peer, present: policy.HasPeer()} }},
		{name: "time.hour", time: true, make: func() value { return value{kind: number, number: policy.Hour()} }},
		{name: "time.minute", time: true, make: func() value { return value{kind: number, number: policy.Minute()} }},
		{name: "time.weekday", time: true, make: func() value {
			return value{kind: text, text: policy.Weekday(), words: policy.Weekdays}
		}},
		{name: "time.date", time: true, make: func() value { return value{kind: text, text: policy.Date()} }},
		{name: "user_agent", header: sip.UserAgent, make: func() value {
			return value{kind: text, text: policy.Header("User-Agent"), present: policy.HasHeader("User-Agent")}
		}},
		{name: "call_id", make: func() value { return value{kind: text, text: policy.CallID()} }},
		{name: "header", indexed: true},
		{name: "auth.user", header: sip.Authorization, make: func() value { return value{kind: text, text: policy.AuthUser()} }},
		{name: "target", later: true},
		{name: "limit", later: true},
		{name: "hook", later: true},
		{name: "media", later: true},
		{name: "row", later: true},
	},
)

// fieldNamed finds a field by its whole name.
func fieldNamed(name string) *field {
	for i := range fields {
		if fields[i].name == name {
			return &fields[i]
		}
	}
	return nil
}

// isLater reports a root of names that this version does not have.
func isLater(root string) bool {
	f := fieldNamed(root)
	return f != nil && f.later
}

// fieldNames are the names to suggest for a wrong one: of fields under the same
// prefix when there are any ("dest.…"), else of all, and the methods.
func fieldNames(root string) []string {
	var all, below []string
	for _, f := range fields {
		if f.later {
			continue
		}
		all = append(all, f.name)
		if strings.HasPrefix(f.name, root+".") {
			below = append(below, f.name)
		}
	}
	if below != nil {
		return below
	}
	return slices.Concat(all, []string{"network", "group", "table", "let", "original"})
}

// read compiles a field and notes for the loop hash that the program reads it.
func (l *loader) read(f *field, rng hcl.Range) value {
	v := f.make()
	v.rng = rng
	if f.name == "listener" {
		v.words = l.listenerNames
	}
	if v.kind == peer && !l.asksClients() {
		l.report(rng, `client_ca = "/etc/viaduct/clients.pem" says whose certificates count`, "%s is always nobody: no listener asks for client certificates", f.name)
		return value{rng: rng}
	}
	l.reads.Source = l.reads.Source || f.source
	l.reads.Time = l.reads.Time || f.time
	if f.header != sip.OtherHeader {
		l.readsHeader(f.header)
	}
	return v
}

func (l *loader) readsHeader(id sip.HeaderID) {
	if !slices.Contains(l.reads.Headers, id) {
		l.reads.Headers = append(l.reads.Headers, id)
	}
}

// hashedAlways are the header fields that the loop hash covers whatever the
// program reads (policy.Reads).
var hashedAlways = []sip.HeaderID{sip.To, sip.From, sip.CallID, sip.CSeq}

// hopByHop are those that differ each time the same request passes. A program
// that read them would change the loop hash on every turn (RFC 3261 §16.3 step 4).
var hopByHop = []sip.HeaderID{sip.Via, sip.RecordRoute, sip.MaxForwards, sip.MaxBreadth}

// headerField is header["X"].
func (l *loader) headerField(name string, rng hcl.Range) value {
	v := value{kind: text, rng: rng, text: policy.Header(name), present: policy.HasHeader(name)}
	if strings.ContainsFunc(name, notToken) || name == "" {
		l.report(rng, "", "%q cannot be the name of a header field", name)
		return value{rng: rng}
	}
	id := sip.HeaderOf(name)
	if id != sip.OtherHeader {
		name = sip.HeaderName(id)
		v.text, v.present = policy.Header(name), policy.HasHeader(name)
	}
	switch {
	case slices.Contains(hopByHop, id):
		l.report(rng, "", "rules cannot read %s: it changes at every hop, so that a loop would look like a new request", name)
		return value{rng: rng}
	case slices.Contains(hashedAlways, id):
	case id != sip.OtherHeader:
		l.readsHeader(id)
	case !slices.Contains(l.reads.Names, strings.ToLower(name)):
		l.reads.Names = append(l.reads.Names, strings.ToLower(name))
	}
	return v
}

// notToken reports a character that is none of a token (RFC 3261 §25.1).
func notToken(r rune) bool {
	return r > 0x7e || r <= ' ' || strings.ContainsRune(`()<>@,;:\"/[]?={}`, r)
}
