package proxy_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// bothWays are two targets called at once.
const threeAtOnce = `rule "all" { send = ["sip:bob@203.0.113.1", "sip:bob@203.0.113.2", "sip:bob@203.0.113.3"] }`

// final is what a branch ends with: a response, a transport error, or silence.
type final string

const (
	broken final = "broken"
	mute   final = "mute"
)

// TestBestResponse plays every order of arrival of three ends of branches.
// Proves: BR-1, BR-2, BR-3, BR-4, BR-5, BR-7, BR-8, RS-13
func TestBestResponse(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		finals [3]final
		want   []int // any of these, or what want2 says for a non-INVITE
		other  []int // the same for a non-INVITE; nil: like want
	}{
		{"6xx beats all", [3]final{"603", "302", "401"}, []int{603}, nil},
		{"6xx beats 4xx and 5xx", [3]final{"404", "600", "503"}, []int{600}, nil},
		{"3xx is the lowest class", [3]final{"302", "407", "500"}, []int{302}, nil},
		{"4xx beats 5xx", [3]final{"404", "503", "500"}, []int{404}, nil},
		{"401 beats other 4xx", [3]final{"404", "401", "486"}, []int{401}, nil},
		{"407 beats other 4xx", [3]final{"404", "486", "407"}, []int{407}, nil},
		{"415 beats other 4xx", [3]final{"415", "404", "486"}, []int{415}, nil},
		{"420 beats other 4xx", [3]final{"404", "420", "480"}, []int{420}, nil},
		{"484 beats other 4xx", [3]final{"486", "484", "404"}, []int{484}, nil},
		{"401 or 407", [3]final{"401", "407", "484"}, []int{401, 407}, nil},
		{"any 4xx", [3]final{"404", "486", "480"}, []int{404, 486, 480}, nil},
		{"500 beats 503", [3]final{"503", "500", "503"}, []int{500}, nil},
		{"only 503", [3]final{"503", "503", "503"}, []int{500}, nil},
		{"unknown codes by class", [3]final{"599", "499", "503"}, []int{499}, nil},
		{"a transport error is a 503", [3]final{broken, "501", broken}, []int{501}, nil},
		{"a 4xx beats a transport error", [3]final{broken, "480", "503"}, []int{480}, nil},
		{"all broken", [3]final{broken, broken, broken}, []int{500}, nil},
		{"silence is a 408", [3]final{mute, "503", "500"}, []int{408}, []int{500}},
		{"a 4xx received beats silence", [3]final{mute, "486", broken}, []int{486}, nil},
		{"all silent", [3]final{mute, mute, mute}, []int{408}, []int{}},
		{"silence and a transport error", [3]final{mute, broken, mute}, []int{408}, []int{500}},
		{"a 408 received", [3]final{"408", "500", "503"}, []int{408}, []int{500}},
		{"only 408 received", [3]final{"408", "408", "408"}, []int{408}, []int{}},
	} {
		for _, method := range []string{"INVITE", "MESSAGE"} {
			t.Run(tc.name+"/"+method, func(t *testing.T) {
				t.Parallel()
				want := tc.want
				if method != "INVITE" && tc.other != nil {
					want = tc.other
				}
				for _, order := range [][3]int{{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}} {
					for _, at := range [][3]int{{0, 1, 2}, {2, 0, 1}, {1, 2, 0}} {
						got := endsOf(t, method, tc.finals, order, at)
						if len(got) != min(len(want), 1) || len(got) == 1 && !slices.Contains(want, got[0]) {
							t.Errorf("%v in order %v of targets %v: got %v, want one of %v", tc.finals, order, at, got, want)
						}
					}
				}
			})
		}
	}
}

// endsOf forks a request to three targets; target at[i] ends with finals[i], in
// the given order. It returns the final responses that went upstream, and fails
// when one went before the last branch had ended.
func endsOf(t *testing.T, method string, finals [3]final, order, at [3]int) (got []int) {
	t.Helper()
	s := newStage(t, threeAtOnce)
	out := s.receive(aliceAt, s.compose(method+" sip:bob@example.org SIP/2.0", "Contact: <sip:alice@198.51.100.5>"))
	if len(out) != 3 {
		t.Fatalf("got %d copies, want 3", len(out))
	}
	note := func(list []sent) {
		for _, x := range list {
			if !x.IsRequest() && x.Status >= 200 {
				got = append(got, x.Status)
			}
		}
	}
	open := 3
	end := func(list []sent) {
		note(list)
		if open--; open > 0 && len(got) > 0 {
			t.Fatalf("%v went up while %d branches were pending", got, open)
		}
	}
	silent := 0
	for _, i := range order {
		x := out[at[i]]
		switch f := finals[i]; f {
		case mute:
			silent++
		case broken:
			s.fx.Reset()
			s.Broken(s.now, x.about, &s.fx)
			end(s.sends())
		default:
			end(s.receive(x.hop.Remote.String(), answer(x, string(f)+" Some Reason", "Contact: <sip:c@203.0.113.9>")))
		}
	}
	if silent > 0 {
		note(s.pass(31900 * time.Millisecond))
		if len(got) > 0 {
			t.Fatalf("%v went up while %d branches were pending", got, silent)
		}
	}
	first := s.pass(400 * time.Millisecond) // timer B or F; no copy of timer G yet
	note(first)
	if len(got) > 0 && method == "INVITE" {
		s.receive(aliceAt, s.ackOf(got[0]))
	}
	note(s.pass(2 * time.Minute))
	if !s.Idle() {
		t.Error("something is left")
	}
	return got
}

// ackOf is the ACK of the last INVITE composed; any To tag will do with a branch.
func (s *stage) ackOf(int) string {
	s.n--
	return s.compose("ACK sip:bob@example.org SIP/2.0", "To: <sip:bob@example.org>;tag=x")
}

// RFC 5393 and seams: ten branches at once, as one ends the next begins, thirty in
// all, each with a branch and a share of Max-Breadth of its own.
// Proves: FK-1
func TestManyTargets(t *testing.T) {
	t.Parallel()
	var list []string
	for i := range 35 {
		list = append(list, fmt.Sprintf("%q", fmt.Sprintf("sip:bob@203.0.113.%d", i+1)))
	}
	s := newStage(t, `rule "all" { send = [`+strings.Join(list, ", ")+`] }`)
	open := s.receive(aliceAt, s.compose("INVITE sip:bob@example.org SIP/2.0"))
	if len(open) != 10 {
		t.Fatalf("got %d at once, want 10", len(open))
	}
	branches := map[string]bool{}
	tried, finals := 0, 0
	for len(open) > 0 {
		x := open[0]
		open = open[1:]
		tried++
		if branches[x.Branch()] || x.Get("Max-Breadth") != "6" {
			t.Errorf("branch %s, Max-Breadth %s", x.Branch(), x.Get("Max-Breadth"))
		}
		branches[x.Branch()] = true
		for _, y := range s.receive(x.hop.Remote.String(), answer(x, "486 Busy Here")) {
			switch {
			case y.Method == "INVITE":
				open = append(open, y)
			case !y.IsRequest():
				if finals++; len(open) > 0 {
					t.Errorf("%d went up while %d were open", y.Status, len(open))
				}
			}
		}
		if want := min(10, 30-tried); len(open) != want {
			t.Fatalf("after %d: %d are open, want %d", tried, len(open), want)
		}
	}
	if tried != 30 || finals != 1 || s.core.Stats().BranchLimit != 1 {
		t.Errorf("tried %d, finals %d, limit reached %d times", tried, finals, s.core.Stats().BranchLimit)
	}
}
