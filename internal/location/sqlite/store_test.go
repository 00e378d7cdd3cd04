package sqlite_test

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"reflect"
	"testing"

	"viaduct/internal/flow"
	"viaduct/internal/location"
	"viaduct/internal/location/sqlite"
)

func open(t testing.TB, path string) *sqlite.Store {
	t.Helper()
	s, err := sqlite.Open(sqlite.Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func closed(t testing.TB, s *sqlite.Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func apply(t testing.TB, s *sqlite.Store, ops ...location.Op) {
	t.Helper()
	if err := s.Apply(ops); err != nil {
		t.Fatal(err)
	}
}

// load returns all rows by ID, with bytes of their own.
func load(t testing.TB, s *sqlite.Store) map[uint64]location.Row {
	t.Helper()
	all := map[uint64]location.Row{}
	if err := s.Load(func(r *location.Row) error {
		row := *r
		row.AOR = append([]byte{}, r.AOR...)
		b := &row.Binding
		for _, text := range []*[]byte{&b.Contact, &b.Params, &b.CallID, &b.Path, &b.Instance, &b.UserAgent} {
			*text = append([]byte{}, *text...)
		}
		all[b.ID] = row
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return all
}

// row is a binding with every field set.
func row(id uint64) location.Row {
	return location.Row{
		AOR: fmt.Appendf(nil, "sip:u%d@example.org", id), EndsAt: 1_900_000_000_123, UpdatedAt: 1_800_000_000_456,
		Binding: location.Binding{
			ID: id, Contact: fmt.Appendf(nil, "sip:u%d@192.0.2.7:5062;x='%%22", id), Params: []byte(`;methods="INVITE"`),
			CallID: []byte("1234@192.0.2.7"), Path: []byte("<sip:p1;lr>, <sip:p2;lr>"), Instance: []byte("urn:uuid:1"),
			UserAgent: []byte("ph\xc3\xb6ne"), Since: 1_700_000_000_789, CSeq: 1<<31 + 5, RegID: 1<<32 - 1, Q: 700,
			Flags: location.NAT | location.Keepalive,
			Flow: flow.Flow{
				Protocol: flow.UDP, Local: netip.MustParseAddrPort("192.0.2.1:5060"),
				Remote: netip.MustParseAddrPort("[2001:db8::1]:5062"),
			},
		},
	}
}

func TestWhatIsPutIsLoaded(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a b?#%.db")
	s := open(t, path)
	one, two, three := row(1), row(2), row(3)
	two.Binding.Flow, two.Binding.Flags = flow.Flow{}, location.Outbound
	three.Binding.Flags = location.Keepalive | location.ByOptions
	for _, text := range []*[]byte{&two.Binding.Params, &two.Binding.Path, &two.Binding.Instance, &two.Binding.UserAgent} {
		*text = []byte{}
	}
	apply(t, s, location.Op{Row: one}, location.Op{Row: two}, location.Op{Row: three})
	if got, want := load(t, s), (map[uint64]location.Row{1: one, 2: two, 3: three}); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}

	one.EndsAt, one.UpdatedAt, one.Binding.CSeq = 1_900_000_001_000, 1_800_000_001_000, 7
	refresh := one
	refresh.Binding.Contact = []byte("not looked at")
	two.Binding.Contact = []byte("sip:elsewhere")
	apply(t, s, location.Op{Kind: location.Refresh, Row: refresh}, location.Op{Row: two},
		location.Op{Kind: location.Delete, Row: location.Row{Binding: location.Binding{ID: 3}}},
		location.Op{Kind: location.Delete, Row: location.Row{Binding: location.Binding{ID: 99}}})
	closed(t, s)
	s = open(t, path)
	defer closed(t, s)
	if got, want := load(t, s), (map[uint64]location.Row{1: one, 2: two}); !reflect.DeepEqual(got, want) {
		t.Errorf("after a restart: got %+v\nwant %+v", got, want)
	}
}
