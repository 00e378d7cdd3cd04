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
	n       int // vectors filled
	uneasy  bool

	index [width]int // of the message in list
	msgs  [width]mmsghdr
	iovs  [width]unix.Iovec
	names [width]name
	ctl   [width]ancillary
}

// NewSender returns a Sender; it is about 16 KiB.
func NewSender() *Sender {
	s := &Sender{}
	s.transmit = s.flush
	s.errors.init()
	for i := range width {
		s.msgs[i].hdr.Name = &s.names[i][0]
		s.msgs[i].hdr.Iov = &s.iovs[i]
		s.msgs[i].hdr.SetIovlen(1)
	}
	return s
}

// Send puts on to those messages of list whose hop names its listener, in
// order, and takes their Wire away, which marks them as done. What cannot be
// sent at all, and ICMP errors found on the way, are added to t. A full send
// buffer drops: retransmission repairs that, and waiting would make one slow
// interface everybody's.
func (s *Sender) Send(to *Socket, list []effect.Send, t *Trouble) {
	s.to, s.list, s.trouble, s.n = to, list, t, 0
	for i := range list {
		m := &list[i]
		if m.Wire == nil || m.Hop.Listener != to.listener {
			continue
		}
		if len(m.Wire) == 0 || m.Hop.Remote.Addr().Is6() != to.six || !m.Hop.Remote.IsValid() {
			s.fail(i, unix.EINVAL)
			continue
		}
		s.put(i, m)
		if s.n == width {
			s.call()
		}
	}
	if s.n > 0 {
		s.call()
	}
	s.to, s.list, s.trouble = nil, nil, nil
}

// put fills the next vector.
func (s *Sender) put(i int, m *effect.Send) {
	h := &s.msgs[s.n].hdr
	s.iovs[s.n].Base = &m.Wire[0]
	s.iovs[s.n].SetLen(len(m.Wire))
	h.Namelen = s.names[s.n].put(m.Hop.Remote)
	h.Control = nil
	length := 0
	if s.to.wildcard { // RFC 3581 §4: an answer leaves from where the request came to
		if length = s.ctl[s.n].put(m.Hop.Local.Addr()); length > 0 {
			h.Control = s.ctl[s.n].bytes()
		}
	}
	h.SetControllen(length)
	s.index[s.n] = i
	s.n++
}

// call sends what is in the vectors. The raw connection's Control only keeps
// the descriptor from being closed meanwhile.
func (s *Sender) call() {
	if err := s.to.raw.Control(s.transmit); err != nil {
		s.to.counters.sendErrors.Add(uint64(s.n)) // closed: there is nobody left to tell
		for _, i := range s.index[:s.n] {
			s.list[i].Wire = nil
		}
	}
	s.n = 0
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
	for done < s.n {
		k, errno := send(fd, s.msgs[done:s.n])
		if errno == 0 {
			for i := done; i < done+k; i++ {
				m := &s.list[s.index[i]]
				bytes += len(m.Wire)
				m.Wire = nil
			}
			sent += k
			done += k
			tries, alone = 0, 0
			// A stop in the middle may have consumed the pending error of
			// another message: its report then waits in the queue.
			s.uneasy = s.uneasy || done < s.n
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
			if foreign(errno) {
				s.drop(done)
			} else {
				s.fail(s.index[done], errno)
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

func (s *Sender) drop(i int) {
	s.list[s.index[i]].Wire = nil
	s.to.counters.droppedFull.Add(1)
}

func (s *Sender) fail(i int, errno unix.Errno) {
	m := &s.list[i]
	m.Wire = nil
	s.to.counters.sendErrors.Add(1)
	s.trouble.Failed = append(s.trouble.Failed, Failure{For: m.For, Hop: m.Hop, Err: errno})
}
