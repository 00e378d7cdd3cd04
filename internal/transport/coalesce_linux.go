package transport

import (
	"unsafe"

	"golang.org/x/sys/unix"

	"viaduct/internal/effect"
)

// The way down the network stack costs far more than what is carried: with
// UDP_SEGMENT one descent takes several datagrams of one size to one place, each
// further one for about a seventh of the price. Signalling is made for it: a busy
// moment brings the same step of many calls.
//
// Only messages of different calls travel together, and no message passes one of
// its own call: what is lost at once must not be all of a call, and a 200 must
// not overtake its 180.
const (
	maxSegment  = 1400 // bytes: within the path MTU with the headers, or the kernel refuses
	maxSegments = 32   // datagrams at once; older kernels take 64
	none        = -1
)

// plan is the order in which one socket's messages leave, as runs of datagrams
// that the kernel may cut out of one buffer.
type plan struct {
	messages [width]planned
	runs     [width]run
	n, m     int // used of each
}

type planned struct {
	index int // in the list
	next  int // message of the same run, or none
}

type run struct {
	first, last int // messages
	count       int
}

func (p *plan) reset() { p.n, p.m = 0, 0 }

// add puts message i of list where it may travel: in a run that is open to it, or
// in a run of its own.
func (p *plan) add(list []effect.Send, i int, merge bool) {
	at := p.n
	p.messages[at] = planned{index: i, next: none}
	p.n++
	if merge && list[i].Call != 0 && len(list[i].Wire) <= maxSegment {
		if r := p.open(list, &list[i]); r != nil {
			p.messages[r.last].next = at
			r.last = at
			r.count++
			return
		}
	}
	p.runs[p.m] = run{first: at, last: at, count: 1}
	p.m++
}

// open finds the run that m may join. Runs to other places do not matter. Of
// those to its own, one with a message of the same call, or of an unknown one,
// must not be passed.
func (p *plan) open(list []effect.Send, m *effect.Send) *run {
	for j := p.m - 1; j >= 0; j-- {
		r := &p.runs[j]
		head := &list[p.messages[r.first].index]
		if head.Hop.Remote != m.Hop.Remote {
			continue
		}
		for k := r.first; k != none; k = p.messages[k].next {
			if c := list[p.messages[k].index].Call; c == 0 || c == m.Call {
				return nil
			}
		}
		if len(head.Wire) == len(m.Wire) && r.count < maxSegments && head.Hop.Local == m.Hop.Local {
			return r
		}
	}
	return nil
}

// each calls f for the messages of run j.
func (p *plan) each(j int, f func(index int)) {
	for k := p.runs[j].first; k != none; k = p.messages[k].next {
		f(p.messages[k].index)
	}
}

// putSegment adds, at offset, the control message that has a buffer cut into
// datagrams of size bytes, and returns the length with it.
func (a *ancillary) putSegment(offset, size int) int {
	c := (*unix.Cmsghdr)(unsafe.Add(unsafe.Pointer(a), offset))
	c.Level, c.Type = unix.SOL_UDP, unix.UDP_SEGMENT
	c.SetLen(unix.CmsgLen(2))
	*(*uint16)(unsafe.Add(unsafe.Pointer(c), unix.CmsgLen(0))) = uint16(size)
	return offset + unix.CmsgSpace(2)
}

// canSegment reports whether the kernel knows UDP_SEGMENT (Linux 4.18).
func canSegment(fd int) bool {
	_, err := unix.GetsockoptInt(fd, unix.SOL_UDP, unix.UDP_SEGMENT)
	return err == nil
}
