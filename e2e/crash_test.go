package e2e

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"viaduct/internal/admin"
)

// registrarHCL is a registrar for everybody, with a store.
const registrarHCL = `
server {
  domains = ["%[1]s"]
  store   = "%[2]s"
}
listen "udp" { address = "%[1]s:5060" }
rule "register" {
  when = method == REGISTER
  register {}
}
`

// The program is killed in the middle of 10,000 registrations and started again,
// round after round with the same store, in the first third of them: what was acknowledged is there, with the
// Contact that was acknowledged, and nothing that was not asked for. What was asked
// for and not acknowledged may be there or not: its 200 may have died with the
// program.
func TestKilledServerKeepsWhatItAcknowledged(t *testing.T) {
	t.Parallel()
	rounds := 10
	if testing.Short() {
		rounds = 2
	}
	at, runtime := network(t), t.TempDir()
	file := configure(t, registrarHCL, at(1), t.TempDir())
	s := startIn(t, runtime, file)
	told := map[string]string{}    // acknowledged: AOR to Contact
	pending := map[string]string{} // asked for, and no more known
	for seed := range rounds {
		random := rand.New(rand.NewPCG(uint64(seed), 0))
		load(t, s, at(1), seed, 1+random.IntN(registrations/3), told, pending)
		s = startIn(t, runtime, file)
		there := registered(t, s)
		for aor, contact := range told {
			if there[aor] != contact {
				t.Fatalf("seed %d: %s was acknowledged with Contact %s, is there with %q", seed, aor, contact, there[aor])
			}
		}
		for aor, contact := range there {
			if told[aor] != contact && pending[aor] != contact {
				t.Fatalf("seed %d: nobody has registered %s for %s", seed, contact, aor)
			}
		}
	}
}

const (
	registrations = 10_000
	window        = 256 // of them at once
)

// load registers users until as many as enough are acknowledged, kills the server
// with a window of requests under way, and keeps account of all.
func load(t *testing.T, s *server, addr string, round, enough int, told, pending map[string]string) {
	t.Helper()
	conn, err := net.Dial("udp4", addr+":5060")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }() // all is read
	sent, answered := 0, 0
	open := map[string]string{} // by Call-ID, what has no answer yet
	ask := func() {
		for ; sent < registrations && len(open) < window; sent++ {
			user := fmt.Sprintf("u%d-%d", round, sent)
			contact := fmt.Sprintf("sip:%s@%s", user, conn.LocalAddr())
			pending["sip:"+user+"@"+addr] = contact
			open[user] = fmt.Sprintf(register, addr, conn.LocalAddr(), user, contact)
			if _, err := io.WriteString(conn, open[user]); err != nil {
				t.Fatal(err)
			}
		}
	}
	buf := make([]byte, 4096)
	hear := func() error {
		n, err := conn.Read(buf)
		if err != nil {
			return err
		}
		status, rest, _ := strings.Cut(string(buf[:n]), "\r\n")
		_, id, _ := strings.Cut(rest, "Call-ID: ")
		id, _, _ = strings.Cut(id, "\r\n")
		if open[id] == "" {
			return nil // the answer to what was asked again
		}
		delete(open, id)
		answered++
		if strings.HasPrefix(status, "SIP/2.0 200 ") {
			aor := "sip:" + id + "@" + addr
			told[aor] = pending[aor]
			delete(pending, aor)
		}
		return nil
	}
	again := func() error { // RFC 3261 §17.1.2.2: timer E
		for _, request := range open {
			if _, err := io.WriteString(conn, request); err != nil {
				return err
			}
		}
		return nil
	}
	for over := deadline(); answered < enough; {
		ask()
		_ = conn.SetReadDeadline(time.Now().Add(500 * time.Millisecond)) // a UDP socket has deadlines
		err := hear()
		if errors.Is(err, os.ErrDeadlineExceeded) {
			err = again()
		}
		if err != nil || time.Now().After(over) {
			t.Fatalf("%d of %d answered: %v\n%s", answered, sent, err, s.errout.String())
		}
	}
	ask()
	if err := s.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	s.exit(t)
	// What it has sent lies in the buffer of the socket.
	_ = conn.SetReadDeadline(time.Now().Add(100 * time.Millisecond)) // a UDP socket has deadlines
	for err := hear(); !errors.Is(err, os.ErrDeadlineExceeded); err = hear() {
		if err != nil && !errors.Is(err, syscall.ECONNREFUSED) {
			t.Fatal(err)
		}
	}
}

const register = "REGISTER sip:%[1]s SIP/2.0\r\nVia: SIP/2.0/UDP %[2]s;branch=z9hG4bK%[3]s;rport\r\nMax-Forwards: 70\r\n" +
	"From: <sip:%[3]s@%[1]s>;tag=1\r\nTo: <sip:%[3]s@%[1]s>\r\nCall-ID: %[3]s\r\nCSeq: 1 REGISTER\r\n" +
	"Contact: <%[4]s>\r\nExpires: 3600\r\nContent-Length: 0\r\n\r\n"

// registered returns all bindings of a server: AOR to the one Contact.
func registered(t *testing.T, s *server) map[string]string {
	t.Helper()
	there, client := map[string]string{}, admin.NewClient(s.socket)
	for from := uint64(0); ; {
		page, err := client.List(t.Context(), from)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range page.Registrations {
			if len(r.Contacts) != 1 {
				t.Fatalf("%s has %d contacts, want 1", r.AOR, len(r.Contacts))
			}
			there[r.AOR] = r.Contacts[0].URI
		}
		if from = page.Next; from == 0 {
			return there
		}
	}
}
