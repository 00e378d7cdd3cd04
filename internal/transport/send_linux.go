package transport

import (
	"golang.org/x/sys/unix"

	"viaduct/internal/effect"
)

// Sender puts messages on sockets. It belongs to one goroutine.
type Sender struct {
	// constant
	transmit func(fd uintptr)
	errors   errorQueue

	// of the call in progress
	to      *Socket
	list    []effect.Send
	trouble *Trouble
	uneasy  bool
	again   []int // messages of runs that the kernel would not cut

	plan  plan
	msgs  [width]mmsghdr // one a run
	iovs  [width]unix.Iovec
	names [width]name
	ctl   [width]ancillary
}

// NewSender returns a Sender; it is about 18 KiB.
func NewSender() *Sender {
	s := &Sender{}
	s.transmit = s.flush
	s.errors.init()
	for i := range width {
		s.msgs[i].hdr.Name = &s.names[i][0]
	}
	return s
}

// Send puts on to those messages of list whose hop names its listener, in
// order, and takes their Wire away, which marks them as done. What cannot be
// sent at all, and ICMP errors found on the way, are added to t. A full send
// buffer drops: retransmission repairs that, and waiting would make one slow
// interface everybody's.
func (s *Sender) Send(to *Socket, list []effect.Send, t *Trouble) {
	s.to, s.list, s.trouble = to, list, t
	merge := to.segments.Load()
	for i := range list {
		m := &list[i]
		if m.Wire == nil || m.Hop.Listener != to.listener {
			continue
		}
		if len(m.Wire) == 0 || m.Hop.Remote.Addr().Is6() != to.six || !m.Hop.Remote.IsValid() {
			s.fail(i, unix.EINVAL)
			continue
		}
		s.add(i, merge)
	}
	s.call()
	for len(s.again) > 0 { // one at a time, what could not go together
		for _, i := range s.again {
			s.add(i, false)
		}
		s.again = s.again[:0]
		s.call()
	}
	s.to, s.list, s.trouble = nil, nil, nil
}

// add plans message i, and sends when the plan is full.
func (s *Sender) add(i int, merge bool) {
	s.plan.add(s.list, i, merge)
	if s.plan.n == width {
		s.call()
	}
}

// fill writes the vectors of the plan, the buffers of a run side by side.
func (s *Sender) fill() {
	iov := 0
	for j := range s.plan.m {
		first := iov
		s.plan.each(j, func(i int) {
			wire := s.list[i].Wire
			s.iovs[iov].Base = &wire[0]
			s.iovs[iov].SetLen(len(wire))
			iov++
		})
		m, h := &s.list[s.plan.messages[s.plan.runs[j].first].index], &s.msgs[j].hdr
		h.Iov = &s.iovs[first]
		h.SetIovlen(iov - first)
		h.Namelen = s.names[j].put(m.Hop.Remote)
		length := 0
		if s.to.wildcard { // RFC 3581 §4: an answer leaves from where the request came to
			length = s.ctl[j].put(m.Hop.Local.Addr())
		}
		if iov-first > 1 {
			length = s.ctl[j].putSegment(length, len(m.Wire))
		}
		h.Control = nil
		if length > 0 {
			h.Control = s.ctl[j].bytes()
		}
		h.SetControllen(length)
	}
}

// call sends what is in the vectors. The raw connection's Control only keeps
// the descriptor from being closed meanwhile.
func (s *Sender) call() {
	if s.plan.n == 0 {
		return
	}
	s.fill()
	if err := s.to.raw.Control(s.transmit); err != nil {
		s.to.counters.sendErrors.Add(uint64(s.plan.n)) // closed: there is nobody left to tell
		for _, p := range s.plan.messages[:s.plan.n] {
			s.list[p.index].Wire = nil
		}
	}
	s.plan.reset()
}

// One message is tried again while errors of others are pending on the socket:
// each try takes one away.
const (
	maxTries = 64
	maxAlone = 2 // tries that found no report: the error is the message's own
)

// flush runs inside Control. sendmmsg stops at the first message it cannot
// send; that message is looked at alone and the rest goes on.
func (s *Sender) flush(fd uintptr) {
	done, sent, bytes := 0, 0, 0
	tries, alone := 0, 0
	for done < s.plan.m {
		k, errno := send(fd, s.msgs[done:s.plan.m])
		if errno == 0 {
			for j := done; j < done+k; j++ {
				s.plan.each(j, func(i int) {
					bytes += len(s.list[i].Wire)
					s.list[i].Wire = nil
				})
				sent += s.plan.runs[j].count
			}
			done += k
			tries, alone = 0, 0
			// A stop in the middle may have consumed the pending error of
			// another message: its report then waits in the queue.
			s.uneasy = s.uneasy || done < s.plan.m
			continue
		}
		switch errno {
		case unix.EINTR:
		case unix.EAGAIN, unix.ENOBUFS, unix.ENOMEM:
			s.drop(done)
			done++
			tries, alone = 0, 0
		default:
			// With IP_RECVERR an ICMP error about an earlier datagram is
			// returned by the next send, whoever it is for.
			if s.errors.drain(fd, s.to, s.trouble) == 0 && !foreign(errno) {
				alone++
			}
			if tries++; tries < maxTries && alone < maxAlone {
				continue
			}
			switch {
			case foreign(errno):
				s.drop(done)
			case s.plan.runs[done].count > 1:
				s.split(done)
			default:
				s.fail(s.plan.messages[s.plan.runs[done].first].index, errno)
			}
			done++
			tries, alone = 0, 0
		}
	}
	if s.uneasy {
		s.uneasy = false
		s.errors.drain(fd, s.to, s.trouble)
	}
	s.to.counters.sent.Add(uint64(sent))
	s.to.counters.sentBytes.Add(uint64(bytes))
}

// foreign reports whether errno, of a send or a receive, can only come from
// ICMP: it is about an earlier datagram and says nothing about this call.
func foreign(errno unix.Errno) bool {
	switch errno {
	case unix.ECONNREFUSED, unix.ENOPROTOOPT, unix.EPROTO, unix.EHOSTDOWN, unix.ENONET:
		return true
	}
	return false
}

// drop gives run j up.
func (s *Sender) drop(j int) {
	s.plan.each(j, func(i int) { s.list[i].Wire = nil })
	s.to.counters.droppedFull.Add(uint64(s.plan.runs[j].count))
}

// split has the messages of run j sent one at a time, and runs no more on that
// socket: a driver that cannot cut refuses all of them.
func (s *Sender) split(j int) {
	s.to.segments.Store(false)
	s.plan.each(j, func(i int) { s.again = append(s.again, i) })
}

func (s *Sender) fail(i int, errno unix.Errno) {
	m := &s.list[i]
	s.to.counters.sendErrors.Add(1)
	s.trouble.Failed = append(s.trouble.Failed, Failure{For: m.For, Hop: m.Hop, Err: errno, Wire: m.Wire})
	m.Wire = nil
}
