package policy

// Cursor is how far a decision has come: a small value that can be kept while a
// request waits. The zero Cursor is the beginning.
type Cursor struct {
	route uint16 // 0: the main route, else the index in Program.Routes +1
	rule  uint16
	stage stage
}

// stage is how far a rule has been gone through.
type stage uint8

const (
	atWhen  stage = iota
	atUser        // it applies and its lets are known: who is it?
	atEnd         // nobody objects and its edits are made
	nowhere       // no rule is left
)

// StepKind is what a decision has come to.
type StepKind uint8

const (
	NoMatch  StepKind = iota // no rule is left: own domain 404, anything else 403
	Match                    // Rule takes the request; its End is to be carried out
	NeedUser                 // who sends it must be known: authenticate by Realm, add to Facts.Users, decide on
	Refuse                   // Rule answers with Status
)

// Step is one step of a decision.
type Step struct {
	Kind   StepKind
	Rule   *Rule
	Realm  *Realm // NeedUser
	Status int    // Refuse
	Reason string // Refuse: "" for the RFC's phrase of Status
}

// Decide goes on from c to where it needs something or has come to an end, and
// leaves in c where that is. From the zero Cursor it begins a decision: what was
// read, built and edited for the last one is void. From any other the Facts are
// those of the step before, or were restored. It allocates nothing once the
// Facts have grown.
func (p *Program) Decide(c *Cursor, f *Facts) Step {
	if *c == (Cursor{}) {
		f.begin()
	}
	for {
		r := p.RuleAt(*c)
		if r == nil {
			c.stage = nowhere
			return Step{}
		}
		if c.stage == atWhen {
			if !r.applies(f) {
				c.rule++
				continue
			}
			f.let(r)
			c.stage = atUser
		}
		if c.stage == atUser {
			if step := r.admit(f); step.Kind != Match {
				return step
			}
			r.edit(f)
			c.stage = atEnd
		}
		if !r.follow(c) {
			return Step{Kind: Match, Rule: r}
		}
	}
}

// Restore makes the facts of a request, filled anew, those of a decision that has
// come to c: users, lets and edits. Decide can then go on, and the texts of the
// rule at c be evaluated. Nobody is asked again and nothing is refused again,
// because all that happened before c. It reports false when the way does not lead
// to c: the facts are then not those that c was made with.
func (p *Program) Restore(c Cursor, f *Facts) bool {
	f.begin()
	for at := (Cursor{}); at != c; {
		r := p.RuleAt(at)
		switch {
		case r == nil:
			return c.stage == nowhere
		case !r.applies(f):
			at.rule++
			continue
		}
		f.let(r)
		if at.stage = atUser; at == c {
			return true
		}
		r.recall(f)
		r.edit(f)
		if at.stage = atEnd; at == c {
			return true
		}
		if !r.follow(&at) {
			return false
		}
	}
	return true
}

// RuleAt is the rule that a decision has come to, nil when none is left.
func (p *Program) RuleAt(c Cursor) *Rule {
	rules := p.Rules
	if c.route > 0 {
		rules = p.Routes[c.route-1].Rules
	}
	if c.stage == nowhere || int(c.rule) >= len(rules) {
		return nil
	}
	return &rules[c.rule]
}

// applies reports whether r takes the request.
func (r *Rule) applies(f *Facts) bool {
	return !(r.InviteOnly && f.Follows) && (r.When == nil || r.When(f))
}

// admit asks who sends the request and whether the rule refuses it; Match when
// it may go on.
func (r *Rule) admit(f *Facts) Step {
	if a := r.Authenticate; a != nil {
		who := f.recall(a.Realm)
		if who == nil {
			return Step{Kind: NeedUser, Rule: r, Realm: a.Realm}
		}
		if !a.Any && !who.Caller {
			// RFC 3261 §22: valid credentials of somebody else are no permission
			return Step{Kind: Refuse, Rule: r, Status: 403, Reason: notTheCaller}
		}
	}
	for i := range r.Deny {
		if d := &r.Deny[i]; d.When == nil || d.When(f) {
			return Step{Kind: Refuse, Rule: r, Status: d.Status, Reason: d.Reason}
		}
	}
	return Step{Kind: Match}
}

const notTheCaller = "Credentials Of Another User"

// recall is admit without its questions.
func (r *Rule) recall(f *Facts) {
	if r.Authenticate != nil {
		f.recall(r.Authenticate.Realm)
	}
}

// follow moves c to where the end of r leads when that is another rule. A route
// has no way back, so a program without a cycle of jumps comes to an end.
func (r *Rule) follow(c *Cursor) bool {
	switch r.Kind {
	case Next:
		c.rule++
		c.stage = atWhen
	case Jump:
		*c = Cursor{route: uint16(r.Route) + 1}
	default:
		return false
	}
	return true
}
