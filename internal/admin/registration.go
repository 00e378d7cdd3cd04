package admin

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"viaduct/internal/clock"
	"viaduct/internal/flow"
	"viaduct/internal/location"
	"viaduct/sip"
)

// Registration is an address-of-record with its bindings (RFC 3261 §10).
type Registration struct {
	AOR      string    `json:"aor"`
	Contacts []Contact `json:"contacts"`
}

// Contact is a binding.
type Contact struct {
	URI       string    `json:"contact"`
	Params    string    `json:"params,omitempty"` // from the first ';' on
	Q         float64   `json:"q"`
	Expires   time.Time `json:"expires"`
	Updated   time.Time `json:"updated"`
	CallID    string    `json:"call_id"`
	CSeq      uint32    `json:"cseq"`
	Path      string    `json:"path,omitempty"`
	Instance  string    `json:"instance,omitempty"`
	RegID     uint32    `json:"reg_id,omitempty"`
	UserAgent string    `json:"user_agent,omitempty"`
	Protocol  string    `json:"protocol,omitempty"` // of the flow that its REGISTER came by, when the first hop is ours
	Local     string    `json:"local,omitempty"`    // its address here
	Remote    string    `json:"remote,omitempty"`   // its address there
	NAT       bool      `json:"nat,omitempty"`      // reached by its flow alone
	Outbound  bool      `json:"outbound,omitempty"` // RFC 5626
	Keepalive bool      `json:"keepalive,omitempty"`
}

// Page is a part of all registrations.
type Page struct {
	Registrations []Registration `json:"registrations"`
	Next          uint64         `json:"next,omitempty"` // where the next page begins; 0: this was the last
}

// Refusal is a Contact that was not imported.
type Refusal struct {
	AOR     string `json:"aor"`
	Contact string `json:"contact"`
	Reason  string `json:"reason"`
}

// Bindings are what registrations are read from: site.Bindings.
type Bindings interface {
	Page(from location.Cursor, most int, see func(aor []byte, list []location.Binding)) location.Cursor
	Find(aor []byte) []location.Binding
	Remove(ctx context.Context, aor []byte, contact string) (removed int, err error)
	Put(ctx context.Context, rows []location.Row) []error
}

// The errors about a registration.
var (
	ErrNoRegistration = errors.New("no such registration")
	ErrNoAOR          = errors.New("no address-of-record: it is like alice@example.com")
)

// PageSize is the most addresses-of-record of a page, and of an import.
const PageSize = 500

// Registry reads and changes registrations: the same that a Client does from
// another process.
type Registry struct{ Bindings Bindings }

// List returns a page; the first begins at 0.
func (r Registry) List(_ context.Context, from uint64) (Page, error) {
	p := Page{Registrations: []Registration{}}
	now, wall := clock.Now(), clock.Today()
	next := r.Bindings.Page(location.Cursor(from), PageSize, func(aor []byte, list []location.Binding) {
		p.Registrations = append(p.Registrations, registrationOf(now, wall, aor, list))
	})
	p.Next = uint64(next)
	return p, nil
}

// Show returns one registration, or ErrNoRegistration.
func (r Registry) Show(_ context.Context, aor string) (Registration, error) {
	key, err := canonical(aor)
	if err != nil {
		return Registration{}, err
	}
	list := r.Bindings.Find(key)
	if len(list) == 0 {
		return Registration{}, fmt.Errorf("%s: %w", aor, ErrNoRegistration)
	}
	return registrationOf(clock.Now(), clock.Today(), key, list), nil
}

// Remove takes out the bindings of an AOR, or of these the one with a Contact, and
// tells how many they were; ErrNoRegistration when there was none.
func (r Registry) Remove(ctx context.Context, aor, contact string) (int, error) {
	key, err := canonical(aor)
	if err != nil {
		return 0, err
	}
	n, err := r.Bindings.Remove(ctx, key, contact)
	if err == nil && n == 0 {
		err = fmt.Errorf("%s: %w", aor, ErrNoRegistration)
	}
	return n, err
}

// Import adds registrations, at most PageSize, and tells what was not taken.
func (r Registry) Import(ctx context.Context, all []Registration) ([]Refusal, error) {
	refused := []Refusal{}
	if len(all) > PageSize {
		return nil, fmt.Errorf("more than %d at once", PageSize)
	}
	var rows []location.Row
	for i := range all {
		for j := range all[i].Contacts {
			row, err := all[i].Contacts[j].row(all[i].AOR)
			if err != nil {
				refused = append(refused, Refusal{all[i].AOR, all[i].Contacts[j].URI, err.Error()})
				continue
			}
			rows = append(rows, row)
		}
	}
	slices.SortStableFunc(rows, func(a, b location.Row) int { return strings.Compare(string(a.AOR), string(b.AOR)) })
	for i, err := range r.Bindings.Put(ctx, rows) {
		if err != nil {
			refused = append(refused, Refusal{string(rows[i].AOR), string(rows[i].Binding.Contact), err.Error()})
		}
	}
	return refused, nil
}

// canonical is the index of an AOR as people write it, with or without sip:.
func canonical(aor string) ([]byte, error) {
	if !strings.HasPrefix(aor, "sip:") && !strings.HasPrefix(aor, "sips:") {
		aor = "sip:" + aor
	}
	u, err := sip.ParseURI([]byte(aor))
	if err != nil {
		return nil, ErrNoAOR
	}
	key, ok := location.AppendAOR(nil, &u)
	if !ok {
		return nil, ErrNoAOR
	}
	return key, nil
}

func registrationOf(now clock.Instant, wall time.Time, aor []byte, list []location.Binding) Registration {
	r := Registration{AOR: string(aor), Contacts: make([]Contact, 0, len(list))}
	at := func(i clock.Instant) time.Time { return wall.Add(i.Sub(now)).UTC().Truncate(time.Second) }
	for i := range list {
		r.Contacts = append(r.Contacts, contactOf(&list[i], at(list[i].Expires), at(list[i].Updated)))
	}
	return r
}

func contactOf(b *location.Binding, expires, updated time.Time) Contact {
	c := Contact{
		URI: string(b.Contact), Params: string(b.Params), Q: float64(b.Q) / 1000, Expires: expires, Updated: updated,
		CallID: string(b.CallID), CSeq: b.CSeq, Path: string(b.Path), Instance: string(b.Instance), RegID: b.RegID,
		UserAgent: string(b.UserAgent),
		NAT:       b.Flags&location.NAT != 0, Outbound: b.Flags&location.Outbound != 0, Keepalive: b.Flags&location.Keepalive != 0,
	}
	if b.Flow.Remote.IsValid() {
		c.Protocol, c.Local, c.Remote = strings.ToLower(b.Flow.Protocol.String()), b.Flow.Local.String(), b.Flow.Remote.String()
	}
	return c
}

// RegistrationsOf are rows, such as those of a dump, one for each.
func RegistrationsOf(rows []location.Row) []Registration {
	all := make([]Registration, 0, len(rows))
	for i := range rows {
		r := &rows[i]
		c := contactOf(&r.Binding, time.UnixMilli(r.EndsAt).UTC(), time.UnixMilli(r.UpdatedAt).UTC())
		all = append(all, Registration{string(r.AOR), []Contact{c}})
	}
	return all
}

// row is the binding of c; what it says goes on the wire, so that it is judged as
// what a phone says is.
func (c *Contact) row(aor string) (row location.Row, err error) {
	if row.AOR, err = canonical(aor); err != nil {
		return row, err
	}
	for _, text := range []string{c.URI, c.Params, c.CallID, c.Path, c.Instance, c.UserAgent} {
		if strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			return row, errors.New("a value holds control characters")
		}
	}
	if _, err := sip.ParseURI([]byte(c.URI)); err != nil {
		return row, fmt.Errorf("contact: %w", err)
	}
	if !(c.Q >= 0 && c.Q <= 1) {
		return row, errors.New("q is not between 0 and 1")
	}
	if !c.Expires.After(clock.Today()) {
		return row, errors.New("expired")
	}
	row.EndsAt, row.UpdatedAt = c.Expires.UnixMilli(), c.Updated.UnixMilli()
	row.Binding = location.Binding{
		Contact: []byte(c.URI), Params: []byte(c.Params), CallID: []byte(c.CallID), Path: []byte(c.Path), Instance: []byte(c.Instance),
		UserAgent: []byte(c.UserAgent), CSeq: c.CSeq, RegID: c.RegID, Q: uint16(c.Q*1000 + 0.5), Since: clock.Today().UnixMilli(),
	}
	for _, f := range []struct {
		set  bool
		flag location.Flags
	}{{c.NAT, location.NAT}, {c.Outbound, location.Outbound}, {c.Keepalive, location.Keepalive}} {
		if f.set {
			row.Binding.Flags |= f.flag
		}
	}
	if c.Remote == "" {
		return row, nil
	}
	f := &row.Binding.Flow
	var wrong error
	f.Protocol = flow.ParseProtocol([]byte(c.Protocol))
	f.Local, err = netip.ParseAddrPort(c.Local)
	f.Remote, wrong = netip.ParseAddrPort(c.Remote)
	if f.Protocol == flow.None || err != nil || wrong != nil {
		return row, errors.New("the flow is no protocol and two addresses")
	}
	return row, nil
}
