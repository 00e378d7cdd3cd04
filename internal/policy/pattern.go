package policy

import "errors"

// Pattern is a dial plan as telephone people write it: X is a digit, Z one of
// 1-9, N one of 2-9, [157-9] one of those, a final point is the rest, of at
// least one character. Everything else stands for itself.
type Pattern struct {
	sets []set
	rest bool
}

// set is a set of byte values.
type set [4]uint64

func (s *set) add(from, to byte) {
	for c := int(from); c <= int(to); c++ {
		s[c>>6] |= 1 << (c & 63)
	}
}

func (s *set) has(c byte) bool { return s[c>>6]&(1<<(c&63)) != 0 }

// The faults of a dial plan.
var (
	ErrPatternEmpty = errors.New("an empty dial plan matches nothing")
	ErrPatternOpen  = errors.New("[ without ]")
	ErrPatternSet   = errors.New("[…] needs characters or ranges such as 0-9")
	ErrPatternPoint = errors.New("a point stands for the rest and must come last")
)

// NewPattern compiles a dial plan.
func NewPattern(text string) (*Pattern, error) {
	p := new(Pattern)
	for i := 0; i < len(text); i++ {
		var s set
		switch c := text[i]; c {
		case 'X':
			s.add('0', '9')
		case 'Z':
			s.add('1', '9')
		case 'N':
			s.add('2', '9')
		case '.':
			if i != len(text)-1 {
				return nil, ErrPatternPoint
			}
			p.rest = true
			return p, nil
		case '[':
			n, err := s.parse(text[i+1:])
			if err != nil {
				return nil, err
			}
			i += n
		default:
			s.add(c, c)
		}
		p.sets = append(p.sets, s)
	}
	if len(p.sets) == 0 {
		return nil, ErrPatternEmpty
	}
	return p, nil
}

// parse reads "157-9]" and returns how long that is.
func (s *set) parse(text string) (int, error) {
	for i := 0; i < len(text); i++ {
		switch from := text[i]; {
		case from == ']' && i == 0, from == '-':
			return 0, ErrPatternSet
		case from == ']':
			return i + 1, nil
		case i+2 < len(text) && text[i+1] == '-':
			to := text[i+2]
			if to == ']' || to < from {
				return 0, ErrPatternSet
			}
			s.add(from, to)
			i += 2
		default:
			s.add(from, from)
		}
	}
	return 0, ErrPatternOpen
}

// Match reports whether the plan takes the whole of s.
func (p *Pattern) Match(s []byte) bool {
	if len(s) < len(p.sets) || !p.rest && len(s) > len(p.sets) || p.rest && len(s) == len(p.sets) {
		return false
	}
	for i := range p.sets {
		if !p.sets[i].has(s[i]) {
			return false
		}
	}
	return true
}
