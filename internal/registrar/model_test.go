package registrar_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"viaduct/internal/clock"
	"viaduct/internal/location"
)

// modelBinding is a binding of the model, which knows RFC 3261 §10.3 in its
// simplest form: a table that is copied, changed line by line, and kept or thrown
// away.
type modelBinding struct {
	uri, callID string
	seq         int
	ends        clock.Instant
	instance    string
	regID       int
}

type asked struct {
	uri      string
	expires  int
	instance string
	regID    int
}

// key is what makes two Contacts one binding. The URIs of the model are equal
// exactly when they are the same text.
func (a *asked) key() string {
	if a.regID > 0 {
		return fmt.Sprintf("flow %s %d", a.instance, a.regID)
	}
	return "uri " + a.uri
}

type model map[string]modelBinding

const modelMost = 4

// register returns the state after a request and its status. Contacts of a
// request with several flows never come here.
func (m model) register(now clock.Instant, callID string, seq int, all bool, list []asked) (model, int) {
	next := model{}
	for k, b := range m {
		if b.ends > now {
			next[k] = b
		}
	}
	before, mine := len(next), map[string]bool{}
	late := func(k string) bool {
		b, ok := next[k]
		return ok && !mine[k] && b.callID == callID && seq <= b.seq
	}
	if all {
		for k := range next {
			if late(k) {
				return m, 500
			}
		}
		return model{}, 200
	}
	for _, a := range list {
		if a.expires > 0 && a.expires < 60 {
			return m, 423
		}
	}
	for _, a := range list {
		keys := []string{a.key()}
		if _, known := next[keys[0]]; !known && a.regID == 0 && a.expires == 0 {
			keys = next.flowsOf(a.uri)
		}
		for _, k := range keys {
			if late(k) {
				return m, 500
			}
			delete(next, k)
		}
		if a.expires > 0 {
			mine[a.key()] = true
			next[a.key()] = modelBinding{a.uri, callID, seq, now.Add(time.Duration(a.expires) * time.Second), a.instance, a.regID}
		}
	}
	if len(next) > modelMost && len(next) > before {
		return m, 403
	}
	return next, 200
}

// flowsOf are the bindings with outbound whose URI this is.
func (m model) flowsOf(uri string) (keys []string) {
	for k, b := range m {
		if b.regID > 0 && b.uri == uri {
			keys = append(keys, k)
		}
	}
	return keys
}

func (m model) show(now clock.Instant) string {
	var lines []string
	for _, b := range m {
		if b.ends > now {
			lines = append(lines, fmt.Sprintf("%s %s %d %d %s %d", b.uri, b.callID, b.seq, b.ends, b.instance, b.regID))
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

func showKept(list []location.Binding) string {
	var lines []string
	for _, b := range list {
		lines = append(lines, fmt.Sprintf("%s %s %d %d %s %d", b.Contact, b.CallID, b.CSeq, b.Expires, b.Instance, b.RegID))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// Any requests of any clients in any order: the registrar and the model agree on
// each answer, and on the bindings after it.
//
// Proves: RG-12, RG-13, RG-14, RG-19, RG-20, RG-21, RG-22, RG-28, OB-3
func TestRegistrarAgreesWithTheModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		d := newDesk(t)
		d.s.MaxContacts = modelMost
		m := model{}
		for range rapid.IntRange(1, 30).Draw(rt, "requests") {
			d.now = d.now.Add(time.Duration(rapid.SampledFrom([]int{0, 1, 70}).Draw(rt, "pause")) * time.Second)
			callID := rapid.SampledFrom([]string{"x", "y"}).Draw(rt, "Call-ID")
			seq := rapid.IntRange(1, 9).Draw(rt, "CSeq")
			all := rapid.IntRange(0, 9).Draw(rt, "all") == 0
			lines, list := drawContacts(rt, all)
			got := d.send("", append(lines, "Call-ID: "+callID, fmt.Sprintf("CSeq: %d REGISTER", seq))...)
			next, status := m.register(d.now, callID, seq, all, list)
			if len(list) == 0 && !all {
				next, status = m, 200
			}
			if got.status != status {
				rt.Fatalf("got %d %s, want %d, for %v with\n%s", got.status, got.reason, status, lines, m.show(d.now))
			}
			m = next
			if got, want := showKept(d.bindings("sip:bob@example.com")), m.show(d.now); got != want {
				rt.Fatalf("after %v got\n%s\nwant\n%s", lines, got, want)
			}
		}
	})
}

func drawContacts(rt *rapid.T, all bool) (lines []string, list []asked) {
	if all {
		return []string{"Contact: *", "Expires: 0"}, nil
	}
	flows := rapid.IntRange(0, 2).Draw(rt, "flows") == 0 // one of them only may live
	for i := range rapid.IntRange(0, 4).Draw(rt, "contacts") {
		a := asked{uri: fmt.Sprintf("sip:%d@192.0.2.10", rapid.IntRange(0, 5).Draw(rt, "uri"))}
		a.expires = rapid.SampledFrom([]int{60, 100, 3600, 0, 0, 30}).Draw(rt, "expires")
		if flows {
			a.instance = rapid.SampledFrom([]string{"urn:x:1", "urn:x:2"}).Draw(rt, "instance")
			a.regID = rapid.IntRange(1, 2).Draw(rt, "reg-id")
			if i > 0 {
				a.expires = 0
			}
		}
		line := fmt.Sprintf("Contact: <%s>;expires=%d", a.uri, a.expires)
		if flows {
			line += fmt.Sprintf(`;+sip.instance="<%s>";reg-id=%d`, a.instance, a.regID)
		}
		lines, list = append(lines, line), append(list, a)
	}
	return lines, list
}
