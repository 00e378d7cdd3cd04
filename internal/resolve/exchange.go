package resolve

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"
)

// Exchanger puts one question to one server and returns its whole answer, to
// whichever time of asking: it puts the question again for each value that again
// has. It returns as soon as ctx ends. Several goroutines call it at once.
type Exchanger interface {
	Exchange(ctx context.Context, server netip.AddrPort, q Question, again <-chan struct{}) (Reply, error)
}

const (
	payload    = 1232 // EDNS0 (RFC 6891): what fits every path in one piece, by the agreement of DNS flag day 2020
	maxRecords = 256  // of an answer; the rest is not looked at
	maxPacket  = 4096 // a datagram somewhat longer than what we said is read all the same
)

// Net is the Exchanger of real networks. It asks by UDP from a new socket, whose
// port the kernel draws, and again by TCP when the answer was cut off.
//
// An answer counts when it came from the server's address (the socket is
// connected, so the kernel drops others), with the random number of the question
// and the question itself (RFC 5452 §9); anything else is passed over. The
// question is put again from the same socket with the same number, so that a late
// answer to the first still counts, and so that there is one number and one port
// to guess, however often a server is asked: several at once would make it easier
// (RFC 5452 §5).
type Net struct{}

// Exchange is of Exchanger.
func (Net) Exchange(ctx context.Context, server netip.AddrPort, q Question, again <-chan struct{}) (Reply, error) {
	m := question(q)
	answer, err := ask(ctx, "udp", server, m, again)
	if err == nil && answer.Rcode == dns.RcodeFormatError && answer.IsEdns0() == nil {
		m.Extra = nil // RFC 6891 §7: it does not know EDNS
		answer, err = ask(ctx, "udp", server, m, again)
	}
	if err != nil {
		return Reply{}, err
	}
	cut := answer.Truncated
	if cut {
		if answer, err = ask(ctx, "tcp", server, m, nil); err != nil {
			return Reply{}, err
		}
	}
	r := replyOf(answer)
	r.TCP = cut
	return r, nil
}

func question(q Question) *dns.Msg {
	m := new(dns.Msg)
	m.SetQuestion(dns.Fqdn(q.Name), uint16(q.Type))
	m.SetEdns0(payload, false)
	return m
}

// ask sends m, and once more whenever again says so, and reads until its answer
// comes.
func ask(ctx context.Context, network string, server netip.AddrPort, m *dns.Msg, again <-chan struct{}) (*dns.Msg, error) {
	var id [2]byte
	_, _ = rand.Read(id[:]) // it never fails
	m.Id = binary.BigEndian.Uint16(id[:])
	packet, err := m.Pack()
	if err != nil {
		return nil, fmt.Errorf("resolve: ask %s: %w", server, err)
	}
	var dialer net.Dialer
	socket, err := dialer.DialContext(ctx, network, server.String())
	if err != nil {
		return nil, fmt.Errorf("resolve: ask %s: %w", server, err)
	}
	conn := dns.Conn{Conn: socket, UDPSize: maxPacket}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if _, err := conn.Write(packet); err != nil {
		return nil, fmt.Errorf("resolve: ask %s: %w", server, err)
	}
	if again != nil {
		defer repeat(&conn, packet, again)()
	}
	for {
		answer, err := readMessage(&conn)
		if err != nil {
			return nil, fmt.Errorf("resolve: ask %s: %w", server, err)
		}
		if answer != nil && isAnswerTo(answer, m) {
			return answer, nil
		}
		if network == "tcp" { // a stream has nobody else's answers
			return nil, fmt.Errorf("resolve: ask %s: %w", server, dns.ErrId)
		}
	}
}

// repeat sends packet whenever again says so, until stop is called. One that
// cannot be sent is no failure: an earlier one may be answered yet.
func repeat(conn *dns.Conn, packet []byte, again <-chan struct{}) (stop func()) {
	ended := make(chan struct{})
	var repeating sync.WaitGroup
	repeating.Go(func() {
		for {
			select {
			case <-again:
				_, _ = conn.Write(packet)
			case <-ended:
				return
			}
		}
	})
	return func() { close(ended); repeating.Wait() }
}

// readMessage returns nil for what is no DNS message.
func readMessage(conn *dns.Conn) (*dns.Msg, error) {
	packet, err := conn.ReadMsgHeader(nil)
	if packet == nil && err != nil && err != dns.ErrShortRead {
		return nil, err
	}
	m := new(dns.Msg)
	if m.Unpack(packet) != nil && !m.Truncated { // a cut answer need not be whole
		return nil, nil
	}
	return m, nil
}

func isAnswerTo(answer, m *dns.Msg) bool {
	if answer.Id != m.Id || !answer.Response || answer.Opcode != dns.OpcodeQuery {
		return false
	}
	if len(answer.Question) == 0 { // RFC 6891 §7: servers that cannot read the question do not repeat it
		return answer.Rcode == dns.RcodeFormatError
	}
	a, q := answer.Question[0], m.Question[0]
	return len(answer.Question) == 1 && a.Qtype == q.Qtype && a.Qclass == q.Qclass && strings.EqualFold(a.Name, q.Name)
}

// replyOf takes over what this package needs of a message.
func replyOf(m *dns.Msg) Reply {
	r := Reply{Code: m.Rcode}
	for _, rr := range m.Answer[:min(len(m.Answer), maxRecords)] {
		if rec, ok := recordOf(rr); ok && !slices.Contains(r.Records, rec) {
			r.Records = append(r.Records, rec)
		}
	}
	for _, rr := range m.Ns {
		if soa, ok := rr.(*dns.SOA); ok && !r.SOA {
			r.SOA, r.Negative = true, min(positive(soa.Hdr.Ttl), positive(soa.Minttl))
		}
	}
	return r
}

func recordOf(rr dns.RR) (Record, bool) {
	h := rr.Header()
	if h.Class != dns.ClassINET {
		return Record{}, false
	}
	r := Record{Name: normal(h.Name), Type: Type(h.Rrtype), TTL: h.Ttl}
	valid := true
	switch rr := rr.(type) {
	case *dns.A:
		r.Addr, valid = netip.AddrFromSlice(rr.A.To4())
	case *dns.AAAA:
		r.Addr, valid = netip.AddrFromSlice(rr.AAAA.To16())
		r.Addr = r.Addr.Unmap() // a mapped address is reached over IPv4
	case *dns.CNAME:
		r.Target = normal(rr.Target)
	case *dns.SRV:
		r.Priority, r.Weight, r.Port, r.Target = rr.Priority, rr.Weight, rr.Port, normal(rr.Target)
	case *dns.NAPTR:
		r.Order, r.Preference, r.Target = rr.Order, rr.Preference, normal(rr.Replacement)
		r.Flags, r.Service, r.Regexp = strings.ToLower(rr.Flags), strings.ToUpper(rr.Service), rr.Regexp
	default:
		valid = false
	}
	return r, valid
}
