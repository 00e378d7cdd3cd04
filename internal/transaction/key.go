package transaction

import (
	"encoding/binary"
	"hash/maphash"

	"viaduct/sip"
)

// Key identifies a server transaction (RFC 3261 §17.2.3): a keyed 128-bit
// fingerprint of branch and sent-by, without case, or of what identified a
// request before there were branches. The key of a CANCEL or an ACK is that of its
// INVITE; the method is compared apart. Lo chooses the shard.
type Key struct{ Hi, Lo uint64 }

// seeds are drawn once for the process, so that all tables agree on keys and
// nobody outside can make two requests collide.
var seeds = [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}

// The first byte hashed, so that no request of one kind has a key of the other.
const (
	byBranch  = 1
	byRFC2543 = 2
)

// What an ordinary key is made of does not go to the heap, and most fit into less
// than what an RFC 2543 one takes: room is cleared before it is used.
const (
	branchRoom = 160
	oldRoom    = 512
)

// KeyOf computes the key of a request.
func KeyOf(m *sip.Message) Key {
	via, err := m.TopVia()
	if err != nil || !via.HasCookie() {
		return keyRFC2543(m)
	}
	return KeyOfVia(via)
}

// KeyOfVia is KeyOf for a request whose top Via is via, which has the magic cookie.
func KeyOfVia(via *sip.ViaValue) Key {
	var room [branchRoom]byte
	b := append(room[:0], byBranch)
	b = appendLower(b, via.Branch)
	b = append(b, 0)
	b = appendLower(b, via.Host)
	b = binary.BigEndian.AppendUint16(b, via.Port) // as written: no port is not 5060
	return Key{Hi: maphash.Bytes(seeds[0], b), Lo: maphash.Bytes(seeds[1], b)}
}

// keyRFC2543 is RFC 3261 §17.2.3, second half. To tag and method differ between an
// INVITE, its ACK and its CANCEL, so they are compared apart (identity). The
// Request-URI does not choose the shard: the ACK of a 2xx has another one and
// should still meet its INVITE's shard.
func keyRFC2543(m *sip.Message) Key {
	var room [oldRoom]byte
	b := append(room[:0], byRFC2543)
	b = append(b, m.CallIDValue()...)
	b = append(b, 0)
	b = append(b, m.FromTag()...)
	b = append(b, 0)
	if seq, err := m.Sequence(); err == nil {
		b = binary.BigEndian.AppendUint32(b, seq.Number)
	}
	if via, err := m.TopVia(); err == nil {
		b = appendLower(b, via.Value.Text)
	}
	lo := maphash.Bytes(seeds[1], b)
	b = append(b, 0)
	b = append(b, m.RequestURI()...)
	return Key{Hi: maphash.Bytes(seeds[0], b), Lo: lo}
}

// appendLower appends s in lower case: branch and sent-by are compared without
// regard to case (RFC 3261 §7.3.1, §20.42).
func appendLower(dst, s []byte) []byte {
	for _, c := range s {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		dst = append(dst, c)
	}
	return dst
}

// identity is what a request is compared by: the key, and what the key leaves out.
type identity struct {
	key    Key
	method sip.Method
	name   uint32 // hash of the name of a method that has no number, else 0
	old    bool   // matched by the rules of RFC 2543
	toTag  uint32 // hash of the To tag, compared only when old
}

func identify(m *sip.Message, key Key) identity {
	id := identity{key: key, method: m.Method()}
	if id.method == sip.OtherMethod {
		id.name = short(m.MethodName())
	}
	if via, err := m.TopVia(); err != nil || !via.HasCookie() {
		id.old, id.toTag = true, short(m.ToTag())
	}
	return id
}

// short is a 32-bit fingerprint; that of nothing is 0.
func short(text []byte) uint32 {
	if len(text) == 0 {
		return 0
	}
	return uint32(maphash.Bytes(seeds[0], text)) | 1
}
