package location

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"testing"

	"viaduct/internal/clock"
	"viaduct/internal/flow"
)

func anyText(r *rand.Rand, most int) []byte {
	text := make([]byte, r.IntN(most))
	for i := range text {
		text[i] = byte('a' + r.IntN(2))
	}
	return text
}

func anyAddr(r *rand.Rand) netip.AddrPort {
	port := uint16(r.Uint32())
	var b [16]byte
	binary.LittleEndian.PutUint64(b[:], r.Uint64())
	switch r.IntN(5) {
	case 0:
		return netip.AddrPort{}
	case 1:
		return netip.AddrPortFrom(netip.AddrFrom16(b), port)
	case 2:
		return netip.AddrPortFrom(netip.AddrFrom16(b).WithZone(fmt.Sprint(1+r.IntN(9))), port)
	case 3:
		return netip.AddrPortFrom(netip.AddrFrom16(netip.AddrFrom4([4]byte(b[:])).As16()), port) // IPv4 within IPv6
	}
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[:])), port)
}

func anyBinding(r *rand.Rand) Binding {
	b := Binding{
		ID: r.Uint64(), Expires: clock.Instant(r.Int64()), Updated: clock.Instant(r.Int64()), Since: r.Int64() - r.Int64(),
		CSeq: r.Uint32(), RegID: r.Uint32(), Q: uint16(r.IntN(1001)), Flags: Flags(r.IntN(8)),
	}
	for _, text := range b.texts() {
		*text = anyText(r, 40)
	}
	if r.IntN(2) == 0 {
		b.Instance = anyText(r, 4) // as a rule within Params
	}
	if r.IntN(4) > 0 {
		b.Flow = flow.Flow{
			Local: anyAddr(r), Remote: anyAddr(r), Conn: r.Uint32(),
			Listener: flow.Listener(r.Uint32()), Protocol: flow.Protocol(1 + r.IntN(5)),
		}
	}
	return b
}

func TestRecordKeepsEverything(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 1))
	for range 2000 {
		want := make([]Binding, r.IntN(5))
		for i := range want {
			want[i] = anyBinding(r)
		}
		aor, prefix := anyText(r, 50), anyText(r, 3)
		rec := record(appendRecord(prefix, aor, 77, want)[len(prefix):])
		got := make([]Binding, 0, len(want))
		for p := rec.bindings(); len(p) > 0; p = p.next() {
			got = append(got, Binding{})
			b := &got[len(got)-1]
			if p.read(b); b.size() < len(p)-len(p.next()) {
				t.Errorf("a binding takes %d bytes, its size says %d", len(p)-len(p.next()), b.size())
			}
		}
		if !reflect.DeepEqual(got, want) || !bytes.Equal(rec.aor(), aor) || rec.count() != len(want) || rec.size() != len(rec) || rec.owner() != 77 {
			t.Fatalf("got  %+v\nwant %+v", got, want)
		}
	}
}

func TestIndexAgainstMap(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 2))
		var x index
		plain := map[uint32]uint32{} // number → hash
		hashes := uint32(1) << (seed % 12)
		for step := range uint32(4000) {
			if grow := step < 2000; r.IntN(10) < 3 == grow && len(plain) > 0 {
				for n, hash := range plain {
					x.remove(hash, n)
					delete(plain, n)
					break
				}
			} else {
				plain[step] = r.Uint32N(hashes) * 0x9e3779b9
				x.insert(plain[step], step)
			}
			if x.used != len(plain) {
				t.Fatalf("seed %d: got %d, want %d", seed, x.used, len(plain))
			}
			for n, hash := range plain {
				if _, ok := x.find(hash, func(m uint32) bool { return m == n }); !ok {
					t.Fatalf("seed %d, step %d: %d is lost", seed, step, n)
				}
				if r.IntN(50) == 0 {
					break
				}
			}
			if _, ok := x.find(7, func(uint32) bool { return true }); ok && hashes != 0 {
				t.Fatal("a hash that nobody has is found")
			}
		}
		for n, hash := range plain {
			x.remove(hash, n)
		}
		if x.used != 0 || len(x.entries) > 64 {
			t.Errorf("seed %d: got %d used, %d entries", seed, x.used, len(x.entries))
		}
	}
}

// Records of all sizes come and go; each stays what it is wherever it is moved, and
// what is held stays in proportion.
func TestArena(t *testing.T) {
	t.Parallel()
	for seed := range uint64(10) {
		r := rand.New(rand.NewPCG(seed, 3))
		var a arena
		at, size := map[uint32]place{}, map[uint32]int{}
		remove := func(owner uint32) {
			p := at[owner]
			delete(at, owner)
			if chunk := a.remove(p); chunk != 0 {
				a.empty(chunk, func(owner uint32, to place) { at[owner] = to })
			}
		}
		live := 0
		for owner := range uint32(6000) {
			n := 9 + r.IntN(600)
			if r.IntN(200) == 0 {
				n = 9 + r.IntN(100_000)
			}
			p, rec := a.add(n)
			le.PutUint32(rec, uint32(n))
			rec.setOwner(owner)
			for i := 8; i < n; i++ {
				rec[i] = byte(owner)
			}
			at[owner], size[owner] = p, n
			live += n
			for len(at) > 500 {
				for gone := range at {
					live -= size[gone]
					remove(gone)
					break
				}
			}
			if a.live != live {
				t.Fatalf("seed %d: got %d live, want %d", seed, a.live, live)
			}
			// Gaps and unused ends are a quarter of each chunk but the newest.
			if a.held > live*4/3+largest {
				t.Fatalf("seed %d: %d held for %d", seed, a.held, live)
			}
		}
		for owner, p := range at {
			rec := a.at(p)
			if rec.size() != size[owner] || rec.owner() != owner || rec[8] != byte(owner) || rec[rec.size()-1] != byte(owner) {
				t.Errorf("seed %d: record %d is spoiled", seed, owner)
			}
		}
		for owner := range at {
			remove(owner)
		}
		if a.live != 0 || a.held > largest {
			t.Errorf("seed %d: %d live, %d held when all is gone", seed, a.live, a.held)
		}
	}
}

// The nodes of the index of flows are those of the bindings that there are.
func TestFlowsHoldNothingAfterwards(t *testing.T) {
	t.Parallel()
	x := &flows{seed: New(Config{}, nil).seed}
	r := rand.New(rand.NewPCG(1, 4))
	all := map[uint32]flow.Flow{} // by node
	for step := range 5000 {
		if r.IntN(2) == 0 && len(all) > 0 {
			for id := range all {
				x.unlink(id)
				delete(all, id)
				break
			}
			continue
		}
		f := flow.Flow{Protocol: flow.TCP, Conn: 1 + r.Uint32N(50)}
		all[x.link(f, uint32(step))] = f
		want := 0
		for _, g := range all {
			if same(f, g) {
				want++
			}
		}
		if got := len(x.appendAll(nil, f)); got != want {
			t.Fatalf("step %d: got %d, want %d", step, got, want)
		}
	}
	for id := range all {
		x.unlink(id)
	}
	x.unlink(0)
	for i := range x.stripes {
		if got := x.stripes[i].heads.used; got != 0 {
			t.Errorf("stripe %d: got %d lists", i, got)
		}
	}
}
