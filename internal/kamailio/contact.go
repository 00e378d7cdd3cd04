package kamailio

import (
	"net/netip"
	"strconv"
	"strings"
	"time"

	"viaduct/internal/flow"
	"viaduct/internal/location"
	"viaduct/sip"
)

// The reasons for contacts.
const (
	NoAOR         Reason = "username and domain make no address-of-record: name the domain"
	BadContact    Reason = "the contact is no URI"
	BadTime       Reason = "expires is no time"
	Expired       Reason = "expired"
	Permanent     Reason = "permanent: nothing is forever here; write it as a target of a rule"
	BadPath       Reason = "the path is malformed"
	NoConnection  Reason = "reached by its connection to the other server alone"
	NoSocket      Reason = "reached through NAT by a socket that is not told"
	TooLong       Reason = "a value is too long"
	ControlsInRow Reason = "a value holds control characters"
)

// LocationTable is the name of the table.
const LocationTable = "location"

// Contacts say how rows of the table location are read.
type Contacts struct {
	Domain string         // of rows without one
	Zone   *time.Location // of the times in the dump: that of the server
	Now    time.Time
}

// longest is how long a binding may still have.
const longest = 30 * 24 * time.Hour

// maxField bounds each value, as in a REGISTER.
const maxField = 2048

// Row is the binding of a row; it has no ID. Its flow is that by which the
// phone was reached: whether there is such a listener here, the directory knows.
func (c *Contacts) Row(row *Row) (to location.Row, why Reason, ok bool) {
	for _, v := range row.values {
		if strings.ContainsFunc(v, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			return to, ControlsInRow, false
		}
	}
	for _, name := range []string{"contact", "path", "callid", "user_agent", "instance", "received"} {
		if len(row.Get(name)) > maxField {
			return to, TooLong, false
		}
	}
	if to.AOR, ok = c.aor(row); !ok {
		return to, NoAOR, false
	}
	b := &to.Binding
	contact := strings.TrimSpace(row.Get("contact"))
	uri, err := sip.ParseURI([]byte(contact))
	if err != nil {
		return to, BadContact, false
	}
	b.Contact = []byte(contact)
	if to.EndsAt, why = c.ends(row.Get("expires")); why != "" {
		return to, why, false
	}
	to.UpdatedAt = c.Now.UnixMilli()
	if at, ok := c.time(row.Get("last_modified")); ok && at.Before(c.Now) {
		to.UpdatedAt = at.UnixMilli()
	}
	b.Since = c.Now.UnixMilli()
	b.CallID, b.UserAgent = []byte(row.Get("callid")), []byte(agent(row.Get("user_agent")))
	b.CSeq, b.RegID = uint32(numberOf(row.Get("cseq"), 1<<32-1)), uint32(numberOf(row.Get("reg_id"), 1<<31-1))
	b.Q = thousandths(row.Get("q"))
	b.Instance = []byte(strings.Trim(row.Get("instance"), `"<> `))
	if len(b.Instance) == 0 {
		b.RegID = 0 // RFC 5626 §6: without an instance it means nothing
	}
	if b.Path, ok = pathOf(row.Get("path")); !ok {
		return to, BadPath, false
	}
	if why = reach(row, &uri, b); why != "" {
		return to, why, false
	}
	return to, "", true
}

func (c *Contacts) aor(row *Row) ([]byte, bool) {
	user, domain := row.Get("username"), first(row.Get("domain"), c.Domain)
	if user == "" || domain == "" {
		return nil, false
	}
	uri, err := sip.ParseURI([]byte("sip:" + user + "@" + domain))
	if err != nil || string(uri.User) != user {
		return nil, false
	}
	return location.AppendAOR(nil, &uri)
}

// ends is when a binding ends. Kamailio writes 0 as the end of one that is
// permanent, which its databases turn into the beginning of an epoch.
func (c *Contacts) ends(text string) (milli int64, why Reason) {
	at, ok := c.time(text)
	switch {
	case strings.HasPrefix(text, "0000-") || ok && at.Year() < 1971:
		return 0, Permanent
	case !ok:
		return 0, BadTime
	case !at.After(c.Now):
		return 0, Expired
	}
	if last := c.Now.Add(longest); at.After(last) {
		at = last
	}
	return at.UnixMilli(), ""
}

// time reads a DATETIME or the seconds of Unix.
func (c *Contacts) time(text string) (time.Time, bool) {
	text = strings.TrimSpace(text)
	if n, err := strconv.ParseInt(text, 10, 64); err == nil && n >= 0 && n < 1<<33 {
		return time.Unix(n, 0), true
	}
	for _, layout := range []string{"2006-01-02 15:04:05", "2006-01-02T15:04:05", "2006-01-02 15:04:05Z07", time.RFC3339} {
		if at, err := time.ParseInLocation(layout, text, c.Zone); err == nil {
			return at, true
		}
	}
	return time.Time{}, false
}

// agent is a User-Agent; "n/a" is how Kamailio writes that there is none.
func agent(text string) string {
	if text == "n/a" {
		return ""
	}
	return text
}

func numberOf(text string, most uint64) uint64 {
	n, err := strconv.ParseUint(strings.TrimSpace(text), 10, 64)
	if err != nil || n > most {
		return 0
	}
	return n
}

// thousandths reads q; Kamailio writes -1 where there is none, which means 1.
func thousandths(text string) uint16 {
	q, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
	if err != nil || !(q >= 0 && q <= 1) {
		return 1000
	}
	return uint16(q*1000 + 0.5)
}

// pathOf checks the values of a Path (RFC 3327): each is an address in angle
// brackets.
func pathOf(text string) ([]byte, bool) {
	text = strings.TrimSpace(text)
	for rest := text; rest != ""; {
		value, more := cutValue(rest)
		a, err := sip.ParseAddress([]byte(value))
		if err != nil || !strings.Contains(value, "<") {
			return nil, false
		}
		if u, err := sip.ParseURI(a.URI); err != nil || !u.IsSIP() {
			return nil, false
		}
		rest = more
	}
	return []byte(text), true
}

// cutValue takes the first value off a list that commas separate: those within
// quotes and angle brackets do not.
func cutValue(list string) (value, rest string) {
	quote, angle := false, false
	for i := 0; i < len(list); i++ {
		switch c := list[i]; {
		case quote && c == '\\':
			i++
		case c == '"' && !angle:
			quote = !quote
		case quote:
		case c == '<' || c == '>':
			angle = c == '<'
		case c == ',' && !angle:
			return strings.TrimSpace(list[:i]), strings.TrimSpace(list[i+1:])
		}
	}
	return strings.TrimSpace(list), ""
}

// reach tells how the binding is reached: by its Path, by the flow that its
// REGISTER came by (received), or by its Contact.
func reach(row *Row, contact *sip.URI, b *location.Binding) Reason {
	received := strings.TrimSpace(row.Get("received"))
	switch {
	case len(b.Path) > 0:
		if b.RegID > 0 {
			b.Flags |= location.Outbound
		}
		return ""
	case received == "":
		switch transport := strings.ToLower(string(contact.Transport())); {
		case transport == "ws" || transport == "wss" || strings.HasSuffix(strings.ToLower(string(contact.Host)), ".invalid"):
			return NoConnection // RFC 7118 §5.5: nobody can connect to a browser
		}
		return ""
	}
	from, err := sip.ParseURI([]byte(received))
	if err != nil {
		return BadContact
	}
	if t := string(from.Transport()); t != "" && !strings.EqualFold(t, "udp") {
		return NoConnection
	}
	addr, ok := from.Addr()
	local, known := socketOf(row.Get("socket"))
	if !ok || !known {
		return NoSocket
	}
	port := from.Port
	if port == 0 {
		port = 5060
	}
	b.Flow = flow.Flow{Protocol: flow.UDP, Local: local, Remote: netip.AddrPortFrom(addr, port)}
	b.Flags |= location.NAT | location.Keepalive
	return ""
}

// socketOf reads udp:192.0.2.1:5060.
func socketOf(text string) (netip.AddrPort, bool) {
	protocol, at, _ := strings.Cut(strings.TrimSpace(text), ":")
	local, err := netip.ParseAddrPort(at)
	return local, err == nil && strings.EqualFold(protocol, "udp")
}
