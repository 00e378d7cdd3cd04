package transport

import (
	"errors"
	"net"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"viaduct/internal/clock"
	"viaduct/internal/effect"
	"viaduct/internal/flow"
)

// reader is the receiving half of a Socket while it is served.
type reader struct {
	s       *Socket
	turn    func(*Batch)
	batch   Batch
	errors  errorQueue
	buffers []byte // mapped: only pages that were written to count as memory

	msgs  [width]mmsghdr
	iovs  [width]unix.Iovec
	names [width]name
	ctl   [width]ancillary

	packets [width]Packet // backs batch.Packets
	stamped bool          // datagrams tell when they arrived
	restamp bool          // stamped has changed since the vectors were made ready
	short   int           // batches in a row that were not full
	wall    int64         // when the batch at hand was received
	drops   uint32        // of the kernel, as last seen
	taken   int64         // filters taken away by then
	answers effect.List   // STUN
	sender  *Sender       // for them, made at the first
}

// Serve receives until Close and calls turn with each batch. It also calls it
// with no packets when there was only trouble. All runs on the calling
// goroutine; turn may send on any socket. Serve returns nil after Close.
func (s *Socket) Serve(turn func(*Batch)) error {
	r := &reader{s: s, turn: turn}
	if err := r.init(); err != nil {
		return err
	}
	defer func() { _ = unix.Munmap(r.buffers) }() // fails only on arguments that Mmap did not return
	for {
		err := s.raw.Read(r.read)
		if s.closed.Load() || errors.Is(err, net.ErrClosed) {
			return nil
		}
		s.counters.errors.Add(1)
		r.limp()
	}
}

func (r *reader) init() error {
	buffers, err := unix.Mmap(-1, 0, width*datagram, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_NORESERVE)
	if err != nil {
		return err
	}
	_ = unix.Madvise(buffers, unix.MADV_NOHUGEPAGE) // advice: where it is unknown, huge pages are too
	r.buffers = buffers
	r.errors.init()
	for i := range width {
		r.iovs[i].Base = &buffers[i*datagram]
		r.iovs[i].SetLen(datagram)
		h := &r.msgs[i].hdr
		h.Name, h.Iov = &r.names[i][0], &r.iovs[i]
		h.SetIovlen(1)
	}
	r.control()
	r.rewind(width)
	return nil
}

// control gives the kernel room for control messages, or none when there is
// nothing to be told.
func (r *reader) control() {
	for i := range width {
		r.msgs[i].hdr.Control = nil
		if r.s.wildcard || r.stamped {
			r.msgs[i].hdr.Control = r.ctl[i].bytes()
		}
	}
}

// rewind makes the first n vectors ready for the next receive: the kernel
// writes lengths back into them.
func (r *reader) rewind(n int) {
	for i := range n {
		h := &r.msgs[i].hdr
		h.Namelen = unix.SizeofSockaddrInet6
		h.SetControllen(0)
		if h.Control != nil {
			h.SetControllen(len(ancillary{}) * 8)
		}
	}
}

// maxErrors is how many failed receives in a row end a wake-up.
const maxErrors = 16

// read takes turns until the socket is empty and then returns false, to wait;
// true means that the socket is closed or fails.
// It runs inside the raw connection's Read. A short batch means that the socket
// was empty: the poller is edge-triggered and remembers what arrived since, so
// there is no need for a receive that finds nothing.
func (r *reader) read(fd uintptr) bool {
	for failed := 0; failed < maxErrors && !r.s.closed.Load(); {
		n, errno := receive(fd, r.msgs[:])
		switch errno {
		case 0:
			failed = 0
			r.look(fd, n == width)
			r.take(n)
			if n < width {
				return false
			}
		case unix.EINTR:
		case unix.EAGAIN:
			// Perhaps the edge was that of an ICMP error whose pending errno
			// somebody's send has consumed.
			r.hear(fd)
			return false
		default:
			// IP_RECVERR: a pending ICMP error is reported here once; the
			// datagrams behind it are still there.
			if !r.hear(fd) && !foreign(errno) {
				r.s.counters.errors.Add(1)
				failed++
			}
		}
	}
	return true
}

// calm is how many batches in a row that were not full show that datagrams need
// not tell any more when they arrived.
const calm = 1 << 14

// look finds out how far behind the reader is, after a batch that was full. After
// one that was not there is nothing to find: the queue is empty. Datagrams are
// stamped only once there has been a full batch, because a stamp costs 0.15 µs, of
// 2.9 that the kernel takes for a datagram in all. Those that wait already then
// look as if they had just come.
func (r *reader) look(fd uintptr, full bool) {
	r.batch.Age, r.batch.Lost = 0, false
	if !full {
		if r.short++; r.stamped && r.short == calm {
			r.stamp(fd, false)
		}
		return
	}
	r.short = 0
	if !r.stamped {
		r.stamp(fd, true)
	}
	r.wall = clock.Today().UnixNano()
	r.batch.Age = r.age(0)
	if drops, ok := dropsOf(fd); ok { // what a filter dropped was not for want of room
		taken := r.s.taken.Load()
		r.batch.Lost = drops != r.drops && taken == r.taken && !r.s.Sieved()
		r.drops, r.taken = drops, taken
	}
}

// stamp has the kernel tell when datagrams arrived, or not.
func (r *reader) stamp(fd uintptr, on bool) {
	value := 0
	if on {
		value = 1
	}
	_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, value) // without it every datagram is new
	r.stamped = on
	r.restamp = true
}

// age is how long ago datagram i arrived. A step of the wall clock meanwhile
// cannot make it negative.
func (r *reader) age(i int) time.Duration {
	at, ok := arrived(&r.msgs[i].hdr)
	if !ok {
		return 0
	}
	return max(time.Duration(r.wall-at), 0)
}

// hear reads the error queue and takes a turn when it held something.
func (r *reader) hear(fd uintptr) bool {
	heard := r.errors.drain(fd, r.s, &r.batch.Trouble)
	if r.batch.Trouble.Any() {
		r.batch.Packets = r.packets[:0]
		r.finish()
	}
	return heard > 0
}

// take turns the first n vectors into packets and gives them to turn.
func (r *reader) take(n int) {
	c := &r.s.counters
	c.batches.Add(1)
	if n == width {
		c.fullBatches.Add(1)
	}
	c.received.Add(uint64(n))
	c.age.Store(int64(r.batch.Age))
	bytes := uint64(0)
	r.batch.Packets = r.packets[:0]
	for i := range n {
		size := int(r.msgs[i].n)
		bytes += uint64(size)
		wire := r.buffers[i*datagram : i*datagram+size : i*datagram+size]
		switch kindOf(wire) {
		case message:
			if from := r.from(i); from.Remote.IsValid() {
				p := Packet{Wire: wire, From: from}
				if r.batch.Age >= aging {
					p.Age = r.age(i)
				}
				r.batch.Packets = append(r.batch.Packets, p)
			}
		case keepalive:
			c.keepalives.Add(1)
		case stun:
			r.bind(wire, r.from(i))
		}
	}
	c.receivedBytes.Add(bytes)
	if r.restamp { // what was received is read: the vectors may change
		r.restamp = false
		r.control()
		n = width
	}
	r.rewind(n)
	if len(r.answers.Sends) > 0 {
		r.answer()
	}
	if len(r.batch.Packets) > 0 || r.batch.Trouble.Any() {
		r.finish()
	}
}

func (r *reader) finish() {
	r.turn(&r.batch)
	r.batch.Trouble.Reset()
}

// from is the flow of datagram i.
func (r *reader) from(i int) flow.Flow {
	f := flow.Flow{Local: r.s.bind, Remote: r.names[i].get(), Listener: r.s.listener, Protocol: flow.UDP}
	if r.s.wildcard {
		if a, ok := local(&r.msgs[i].hdr); ok {
			f.Local = netip.AddrPortFrom(a, r.s.bind.Port())
		}
	}
	return f
}

// bind answers a STUN Binding Request from the address it was sent to
// (RFC 5626 §8).
func (r *reader) bind(wire []byte, from flow.Flow) {
	b := appendBinding(r.answers.Begin(stunAnswer), wire, from.Remote)
	if len(b) == 0 {
		r.s.counters.badBindings.Add(1)
		return
	}
	r.answers.Send(from.Hop(), r.answers.Commit(b), 0)
	r.s.counters.bindings.Add(1)
}

// answer sends the STUN answers of a batch.
func (r *reader) answer() {
	if r.sender == nil {
		r.sender = NewSender()
	}
	r.sender.Send(r.s, r.answers.Sends, &r.batch.Trouble)
	r.answers.Reset()
}

// limp serves the socket for a moment without the poller. The runtime refuses
// to wait on a descriptor whose last event was an error and nothing else, which
// happens when an ICMP error meets a full send buffer; it forgives with the
// next event.
func (r *reader) limp() {
	_ = r.s.raw.Control(func(fd uintptr) { r.read(fd) }) // closed: seen by the caller
	pause := time.NewTimer(time.Millisecond)
	<-pause.C
}
