package transaction_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"viaduct/internal/effect"
	"viaduct/internal/flow"
	"viaduct/internal/transaction"
	"viaduct/sip"
)

// storm throws random messages, answers and wishes at a table.
type storm struct {
	*fixture
	r       *rand.Rand
	servers []*finals
	clients []effect.Handle
}

// finals are the final responses that one server has sent.
type finals struct {
	server           effect.Handle
	request          []byte
	success, refused int
}

var (
	someMethods   = []string{"INVITE", "INVITE", "ACK", "CANCEL", "BYE", "MESSAGE"}
	someStatus    = []int{100, 180, 183, 200, 200, 302, 408, 486, 503, 603}
	someProtocols = []flow.Protocol{flow.UDP, flow.UDP, flow.TCP, flow.WSS}
)

func pick[T any](r *rand.Rand, of []T) T { return of[r.IntN(len(of))] }

func (s *storm) step() {
	switch s.r.IntN(10) {
	case 0, 1, 2:
		s.receive()
	case 3, 4:
		s.answerServer()
	case 5:
		method, name := sip.INVITE, "INVITE"
		if s.r.IntN(3) == 0 {
			method, name = sip.BYE, "BYE"
		}
		s.clients = append(s.clients, s.start(method, name, pick(s.r, someProtocols)).Handle())
	case 6, 7:
		s.answerClient()
	case 8:
		s.wish()
	case 9:
		s.run(time.Duration(s.r.Int64N(int64(5 * time.Second))))
	}
	s.sent, s.fired = nil, nil
}

func (s *storm) receive() {
	wire := received(pick(s.r, someMethods), "nashds8", fmt.Sprint("b", s.r.IntN(30)))
	if s.r.IntN(5) == 0 {
		wire = old(pick(s.r, someMethods), "e66710", fmt.Sprint(s.r.IntN(10)))
	}
	r := s.request(pick(s.r, someProtocols), wire)
	if r.Verdict == transaction.NewRequest || r.Verdict == transaction.CancelOf {
		s.servers = append(s.servers, &finals{server: r.Server.Handle(), request: wire})
	}
}

// answerServer responds, and checks that there is one final response, 2xx to an
// INVITE aside.
func (s *storm) answerServer() {
	s.servers = slices.DeleteFunc(s.servers, func(f *finals) bool { return s.table.Server(f.server) == nil })
	if len(s.servers) == 0 {
		return
	}
	f := pick(s.r, s.servers)
	tx := s.table.Server(f.server)
	if s.r.IntN(20) == 0 {
		s.table.Finish(s.now, tx)
	}
	status := pick(s.r, someStatus)
	if !s.respond(tx, f.request, status, "x") {
		return
	}
	switch {
	case status >= 300:
		f.refused++
	case status >= 200:
		f.success++
	}
	if f.refused > 1 || tx.Method != sip.INVITE && f.refused+f.success > 1 {
		s.t.Fatalf("%.6s: %d finals below and %d above 300", f.request, f.success, f.refused)
	}
}

func (s *storm) answerClient() {
	if len(s.clients) == 0 {
		return
	}
	c := s.table.Client(pick(s.r, s.clients))
	if c == nil {
		return
	}
	done := c.Done()
	method := pick(s.r, []string{"INVITE", "INVITE", "BYE", "CANCEL"})
	status := pick(s.r, someStatus)
	verdict := s.response(c, status, method)
	if verdict == transaction.PassUp && status >= 200 && c.First == done {
		s.t.Fatalf("%d: First is %t after done %t", status, c.First, done)
	}
}

func (s *storm) wish() {
	if len(s.clients) == 0 {
		return
	}
	c := s.table.Client(pick(s.r, s.clients))
	switch {
	case c == nil:
	case s.r.IntN(4) == 0:
		s.table.Abandon(c)
	default:
		s.cancel(c, pick(s.r, []string{"", "SIP;cause=200"}))
	}
}

// TestNothingIsLeft: 64*T1 after the last message nothing remains but what the
// layer above bounds, and that goes too once it is answered or cancelled.
func TestNothingIsLeft(t *testing.T) {
	t.Parallel()
	for seed := range uint64(40) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			s := &storm{fixture: newFixture(t, transaction.Config{}), r: rand.New(rand.NewPCG(seed, 2))}
			for range 400 {
				s.step()
			}
			for _, f := range s.servers {
				if tx := s.table.Server(f.server); tx != nil {
					s.respond(tx, f.request, 500, "x")
				}
			}
			for _, h := range s.clients {
				if c := s.table.Client(h); c != nil {
					s.cancel(c, "")
				}
			}
			s.run(2*long + 10*time.Second)
			s.empty()
		})
	}
}
