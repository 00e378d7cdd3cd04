package location

import (
	"hash/maphash"
	"net/netip"
	"sync"

	"viaduct/internal/flow"
)

// flows finds the AORs that have a binding by a flow, so that those of a
// connection that ended need not be searched for (RFC 5626 §7).
//
// Each of its stripes is a leaf lock below those of the directory: it is taken
// while one of them is held, and under it none.
type flows struct {
	seed    maphash.Seed
	stripes [flowStripes]flowStripe
}

const flowStripes = 64

type flowStripe struct {
	mu    sync.Mutex
	heads index // of the lists, by hash of the flow; flows of one hash share a list
	nodes []node
	free  uint32 // first free node plus one, chained by next
	_     [64]byte
}

// node is one binding in the list of its flow; next and prev are plus one.
type node struct{ where, next, prev, hash uint32 }

// hash is of what makes f the flow that it is: the connection, or both ends.
func (x *flows) hash(f flow.Flow) uint64 {
	if f.Conn != 0 {
		return maphash.Comparable(x.seed, uint64(f.Protocol)<<32|uint64(f.Conn))
	}
	return maphash.Comparable(x.seed, [2]netip.AddrPort{f.Local, f.Remote})
}

// same reports whether two flows are one, whatever listener they name.
func same(a, b flow.Flow) bool {
	if a.Conn != 0 || b.Conn != 0 {
		return a.Conn == b.Conn && a.Protocol == b.Protocol
	}
	return a.Remote == b.Remote && a.Local == b.Local && a.Protocol == b.Protocol
}

// link enters an AOR under f and returns the node, never 0.
func (x *flows) link(f flow.Flow, where uint32) uint32 {
	hash := x.hash(f)
	number := uint32(hash % flowStripes)
	s := &x.stripes[number]
	s.mu.Lock()
	defer s.mu.Unlock()
	n := node{where: where, hash: uint32(hash >> 32)}
	i := s.take()
	head, ok := s.heads.find(n.hash, func(uint32) bool { return true })
	if !ok {
		s.heads.insert(n.hash, i)
	} else { // second in the list, so that its head stays the same
		n.prev, n.next = head+1, s.nodes[head].next
		s.nodes[head].next = i + 1
		if n.next != 0 {
			s.nodes[n.next-1].prev = i + 1
		}
	}
	s.nodes[i] = n
	return i*flowStripes + number + 1
}

func (s *flowStripe) take() uint32 {
	if i := s.free; i != 0 {
		s.free = s.nodes[i-1].next
		return i - 1
	}
	s.nodes = append(s.nodes, node{})
	return uint32(len(s.nodes) - 1)
}

// unlink takes a node out; 0 is none.
func (x *flows) unlink(id uint32) {
	if id == 0 {
		return
	}
	s, i := &x.stripes[(id-1)%flowStripes], (id-1)/flowStripes
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.nodes[i]
	if n.next != 0 {
		s.nodes[n.next-1].prev = n.prev
	}
	if n.prev != 0 {
		s.nodes[n.prev-1].next = n.next
	} else {
		s.heads.remove(n.hash, i)
		if n.next != 0 {
			s.heads.insert(n.hash, n.next-1)
		}
	}
	s.nodes[i] = node{next: s.free}
	s.free = i + 1
}

// appendAll appends the AORs under f, and perhaps others.
func (x *flows) appendAll(dst []uint32, f flow.Flow) []uint32 {
	hash := x.hash(f)
	s := &x.stripes[hash%flowStripes]
	s.mu.Lock()
	defer s.mu.Unlock()
	head, ok := s.heads.find(uint32(hash>>32), func(uint32) bool { return true })
	if !ok {
		return dst
	}
	for i := head + 1; i != 0; i = s.nodes[i-1].next {
		dst = append(dst, s.nodes[i-1].where)
	}
	return dst
}
