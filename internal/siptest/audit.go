package siptest

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Rules is what the audit is told about the element. The zero value means a
// stateful proxy with the RFC's timers.
type Rules struct {
	T1        time.Duration // 500 ms
	Ring      time.Duration // 10 min: the longest life of an INVITE
	Stateless bool          // no transactions: the rules about them do not apply
	Edits     []string      // header fields that the configuration edits; "body" for the body
	Waive     []string      // names of rules that do not apply, each for a reason given in the ladder
}

// slack is what wheels and the order of events at one instant may add.
const slack = time.Second

func (r Rules) filled() Rules {
	if r.T1 == 0 {
		r.T1 = 500 * time.Millisecond
	}
	if r.Ring == 0 {
		r.Ring = 10 * time.Minute
	}
	return r
}

func (r Rules) waived(rule string) bool { return slices.Contains(r.Waive, rule) }

func (r Rules) edits(key string) bool {
	return slices.ContainsFunc(r.Edits, func(name string) bool { return keyOf(name) == key })
}

// Violation is one broken rule.
type Violation struct {
	Rule  string
	Event *Event
	Text  string
}

// rule is one of the cross-message rules.
type rule struct {
	name     string
	stateful bool // not for stateless elements
	check    func(*story)
}

// auditRules are run over each call of a trace. README.md says what each wants.
var auditRules = []rule{
	{"wellformed", false, (*story).wellFormed},
	{"via-push", false, (*story).viaPush},
	{"via-pop", false, (*story).viaPop},
	{"response-hop", false, (*story).responseHop},
	{"branch", false, (*story).branch},
	{"max-forwards", false, (*story).maxForwards},
	{"max-breadth", false, (*story).maxBreadth},
	{"unchanged", false, (*story).unchanged},
	{"bytes", false, (*story).bytes},
	{"one-final", false, (*story).oneFinal},
	{"final-in-time", true, (*story).finalInTime},
	{"rfc4320", true, (*story).nonInvite},
	{"resend", true, (*story).resend},
	{"acked", true, (*story).acked},
	{"hop-by-hop", true, (*story).hopByHop},
	{"cancelled", true, (*story).cancelled},
	{"early-cancel", true, (*story).earlyCancel},
}

// Audit holds every call of a trace against the rules.
func Audit(t *Trace, rules Rules) []Violation {
	rules = rules.filled()
	var order []string
	calls := map[string][]*Event{}
	for _, e := range t.Events {
		id := e.Message().CallID()
		if calls[id] == nil {
			order = append(order, id)
		}
		calls[id] = append(calls[id], e)
	}
	var bad []Violation
	seen := map[string]string{} // branch to Call-ID
	for _, id := range order {
		s := &story{trace: t, rules: rules, events: calls[id]}
		for _, r := range auditRules {
			if r.stateful && rules.Stateless || rules.waived(r.name) {
				continue
			}
			s.report = func(format string, e *Event, args ...any) {
				bad = append(bad, Violation{r.name, e, fmt.Sprintf(format, args...)})
			}
			r.check(s)
		}
		if !rules.waived("branch") {
			bad = append(bad, s.branchOfOthers(id, seen)...)
		}
	}
	return bad
}

// branchOfOthers finds branches that another call has used before.
func (s *story) branchOfOthers(id string, seen map[string]string) []Violation {
	var bad []Violation
	for _, e := range s.events {
		if m := e.Message(); e.leaves() && m.IsRequest() {
			other, used := seen[m.Branch()]
			if used && other != id {
				bad = append(bad, Violation{"branch", e, "the branch was used by the call " + other})
			}
			seen[m.Branch()] = id
		}
	}
	return bad
}

// describe lists violations for people, the first fifty of them.
func describe(bad []Violation) string {
	var b strings.Builder
	for i, v := range bad {
		if i == 50 {
			fmt.Fprintf(&b, "  … and %d more\n", len(bad)-i)
			break
		}
		fmt.Fprintf(&b, "  %s: %s\n", v.Rule, v.Text)
		if v.Event != nil {
			fmt.Fprintf(&b, "    in the message from %s to %s:\n", v.Event.From, v.Event.To)
			head, _, _ := strings.Cut(string(v.Event.Wire), "\r\n\r\n")
			fmt.Fprintf(&b, "      %s\n", strings.ReplaceAll(head, "\r\n", "\n      "))
		}
	}
	return b.String()
}
