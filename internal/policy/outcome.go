package policy

// Class is what became of a `send`, in the words of `otherwise { on }`.
type Class uint8

const (
	NoClass Class = iota
	Busy
	NoAnswer
	Unreachable
	NotRegistered
	Rejected
)

// String is the word for it in a configuration, "" for NoClass.
func (c Class) String() string { return classNames[c] }

var classNames = [...]string{
	NoClass: "", Busy: "busy", NoAnswer: "no-answer", Unreachable: "unreachable", NotRegistered: "not-registered", Rejected: "rejected",
}

// Classes are the words that there are.
var Classes = []Class{Busy, NoAnswer, Unreachable, NotRegistered, Rejected}

// Outcome is how a `send` failed: the response that would go upstream, and its class.
type Outcome struct {
	Class  Class
	Status int
}

// classOf is the class of a final response. What is not in it is matched by its
// number only.
var classOf = map[int]Class{
	486: Busy, // RFC 3261 §21.4.24: the callee is busy here
	600: Busy, // §21.6.1: … and everywhere

	480: NoAnswer, // §21.4.18: reached, but not available now: the phone is not answered, or does not want to be disturbed
	408: NoAnswer, // §21.4.9: after a provisional response somebody was there
	487: NoAnswer, // §21.4.25: ended by our own CANCEL, because `ring` was over

	430: Unreachable, // RFC 5626 §11.5: the flow to the phone is gone
	502: Unreachable, // RFC 3261 §21.5.3
	503: Unreachable, // §21.5.4; also what a transport error counts as (§16.9)
	504: Unreachable, // §21.5.5: a server behind the next hop did not answer

	403: Rejected, // §21.4.4: understood and refused
	603: Rejected, // §21.6.2: declined by the callee
	606: Rejected, // §21.6.4: nowhere acceptable
	607: Rejected, // RFC 8197: unwanted
	608: Rejected, // RFC 8688: rejected on the way
}

// OutcomeOf tells what a final response means. rang is whether a provisional
// response other than 100 came before it: a 408 without one is silence, made here
// because the request was never answered (RFC 3261 §16.8, §17.1.1.2).
func OutcomeOf(status int, rang bool) Outcome {
	class := classOf[status]
	if status == 408 && !rang {
		class = Unreachable
	}
	return Outcome{Class: class, Status: status}
}

// OutcomeUnregistered is that of a `send = location` without any binding.
var OutcomeUnregistered = Outcome{Class: NotRegistered, Status: 480}

// OutcomeRang is that of a `send` whose `ring` is over.
var OutcomeRang = Outcome{Class: NoAnswer, Status: 408}

// Otherwise is one `otherwise` of an end.
type Otherwise struct {
	On []On // nil: any failure
	End
}

// On is one word of `on`: a class, one status, or with Status from 3 to 6 all of 3xx to 6xx.
type On struct {
	Class  Class
	Status int
}

// Matches reports whether o is among what is meant.
func (on On) Matches(o Outcome) bool {
	return on.Class != NoClass && on.Class == o.Class || on.Status != 0 && (on.Status == o.Status || on.Status == o.Status/100)
}

// After is the end to carry out when e has failed with o: that of the first
// `otherwise` that means o. nil: the failure goes upstream.
func (e *End) After(o Outcome) *End {
	for i := range e.Otherwise {
		if x := &e.Otherwise[i]; x.On == nil || x.matches(o) {
			return &x.End
		}
	}
	return nil
}

func (x *Otherwise) matches(o Outcome) bool {
	for _, on := range x.On {
		if on.Matches(o) {
			return true
		}
	}
	return false
}
