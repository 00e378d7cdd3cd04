package siptest

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"viaduct/internal/flow"
)

// ladder is a call flow as text, read but not yet run.
type ladder struct {
	setup Setup
	lines []*line
}

type lineKind uint8

const (
	lineText    lineKind = iota // comment or empty
	lineHead                    // listen, actor, config, limits, edits, stateless
	lineStep                    // +2s
	lineInput                   // alice -> proxy …
	lineDirect                  // alice -> bob: past the element
	lineExpect                  // proxy -> bob …
	lineSilence                 // silence
	lineCommand                 // down, up, close, do
)

// line is one line of a ladder, with the block that follows it.
type line struct {
	number int
	text   string // as written, block included
	kind   lineKind

	step time.Duration // of lineStep

	from, to string // of messages
	lost     bool   // -x instead of ->
	what     string // method, status, "raw" or "file"
	uri      string
	words    []word // of messages, after what and uri; of commands and heads: all
	block    string // what stood between <<< and >>>, with CRLF
	raw      string // the same without CRLF conversion
}

// word is one blank-separated word: key=value, or only a key.
type word struct {
	text, key, value string
	hasValue         bool
}

// parseLadder reads a ladder; name is for messages.
func parseLadder(name, text string) (*ladder, error) {
	l := &ladder{setup: Setup{Name: name, Start: start}}
	rows := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	for i := 0; i < len(rows); i++ {
		ln := &line{number: i + 1, text: rows[i]}
		if strings.HasSuffix(strings.TrimSpace(rows[i]), "<<<") && !strings.HasPrefix(strings.TrimSpace(rows[i]), "#") {
			end := i + 1
			for end < len(rows) && strings.TrimSpace(rows[end]) != ">>>" {
				end++
			}
			if end == len(rows) {
				return nil, fmt.Errorf("%s:%d: <<< without >>>", name, i+1)
			}
			ln.raw = strings.Join(rows[i+1:end], "\n") + "\n"
			ln.block = strings.ReplaceAll(ln.raw, "\n", "\r\n")
			ln.text = strings.Join(rows[i:end+1], "\n")
			i = end
		}
		if err := l.parseLine(ln); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", name, ln.number, err)
		}
		l.lines = append(l.lines, ln)
	}
	return l, l.finish()
}

func (l *ladder) parseLine(ln *line) error {
	first, _, _ := strings.Cut(ln.text, "\n")
	first = strings.TrimSpace(first)
	if first == "" || first[0] == '#' {
		return nil
	}
	words := splitWords(strings.TrimSuffix(first, "<<<"))
	if len(words) == 0 {
		return fmt.Errorf("nothing before the block")
	}
	switch head := words[0].text; {
	case len(words) > 3 && (words[1].text == "->" || words[1].text == "-x"):
		return l.parseMessage(ln, words)
	case head[0] == '+':
		d, err := time.ParseDuration(head[1:])
		ln.kind, ln.step = lineStep, d
		return err
	case head == "silence":
		ln.kind = lineSilence
	case head == "down" || head == "up" || head == "close" || head == "do":
		ln.kind, ln.words = lineCommand, words
		if len(words) < 2 {
			return fmt.Errorf("%s of what?", head)
		}
	default:
		ln.kind, ln.words = lineHead, words
		return l.parseHead(ln)
	}
	return nil
}

// parseHead reads a line that says who takes part and with what settings.
func (l *ladder) parseHead(ln *line) error {
	args := make([]string, len(ln.words)-1)
	for i := range args {
		args[i] = ln.words[i+1].text
	}
	switch head := ln.words[0].text; head {
	case "listen":
		return l.parseListener(args)
	case "actor":
		return l.parseActor(args)
	case "config:":
		l.setup.Config = ln.raw
		if ln.raw == "" {
			l.setup.Config = strings.Join(args, " ")
		}
	case "stateless":
		l.setup.Rules.Stateless = true
	case "edits":
		l.setup.Rules.Edits = append(l.setup.Rules.Edits, args...)
	case "waive":
		l.setup.Rules.Waive = append(l.setup.Rules.Waive, args...)
	case "limits":
		return l.parseLimits(ln.words[1:])
	default:
		return fmt.Errorf("unknown line %q", head)
	}
	return nil
}

func (l *ladder) parseLimits(words []word) error {
	for _, w := range words {
		d, err := time.ParseDuration(w.value)
		if err != nil {
			return err
		}
		switch w.key {
		case "t1":
			l.setup.Rules.T1 = d
		case "ring":
			l.setup.Rules.Ring = d
		default:
			return fmt.Errorf("unknown limit %q", w.key)
		}
	}
	return nil
}

// parseListener reads "listen NAME [PROTOCOL] ADDRESS [as HOST:PORT]".
func (l *ladder) parseListener(args []string) error {
	if len(args) < 2 {
		return fmt.Errorf("listen needs a name and an address")
	}
	listener := Listener{Name: args[0], Protocol: flow.UDP}
	for i := 1; i < len(args); i++ {
		switch p := flow.ParseProtocol([]byte(args[i])); {
		case p != flow.None:
			listener.Protocol = p
		case args[i] == "as" && i+1 < len(args):
			i++
			listener.Advertise = args[i]
		default:
			addr, err := netip.ParseAddrPort(args[i])
			if err != nil {
				return err
			}
			listener.Addr = addr
		}
	}
	l.setup.Listeners = append(l.setup.Listeners, listener)
	return nil
}

// parseActor reads "actor NAME [PROTOCOL] [ADDRESS] [nat ADDRESS | from ADDRESS]".
func (l *ladder) parseActor(args []string) error {
	if len(args) == 0 || l.setup.Actor(args[0]) != nil {
		return fmt.Errorf("actor without a name, or declared twice")
	}
	a := &Actor{Name: args[0], Protocol: flow.UDP}
	source := false
	for _, arg := range args[1:] {
		if p := flow.ParseProtocol([]byte(arg)); p != flow.None {
			a.Protocol = p
			continue
		}
		if arg == "nat" || arg == "from" {
			source, a.NAT = true, arg == "nat"
			continue
		}
		addr, err := netip.ParseAddrPort(arg)
		if err != nil {
			return err
		}
		if source {
			a.Source = addr
		} else {
			a.Addr = addr
		}
	}
	l.setup.Actors = append(l.setup.Actors, a)
	return nil
}

func (l *ladder) parseMessage(ln *line, words []word) error {
	ln.from, ln.to, ln.lost = words[0].text, words[2].text, words[1].text == "-x"
	ln.what = words[3].text
	rest := words[4:]
	if len(rest) > 0 && isURI(rest[0].text) {
		ln.uri, rest = rest[0].text, rest[1:]
	}
	for i := 0; i < len(rest); i++ {
		if rest[i].text == "at" && i+1 < len(rest) {
			rest[i+1] = word{"at " + rest[i+1].text, "at", rest[i+1].text, true}
			continue
		}
		ln.words = append(ln.words, rest[i])
	}
	ln.kind = lineInput // finish knows who is the element
	return nil
}

// isURI tells a URI from a word: it has a scheme, and no "=" or capital in it.
func isURI(text string) bool {
	scheme, _, ok := strings.Cut(text, ":")
	return ok && scheme != "h" && scheme != "no" && scheme != "add" && strings.Trim(scheme, "abcdefghijklmnopqrstuvwxyz0123456789+.-") == ""
}

// finish gives addresses to those who have none and tells inputs from expectations.
func (l *ladder) finish() error {
	s := &l.setup
	if len(s.Listeners) == 0 {
		s.Listeners = []Listener{{Name: "proxy", Protocol: flow.UDP, Addr: netip.MustParseAddrPort("127.0.0.1:5060")}}
	}
	for _, ln := range l.lines {
		if ln.kind != lineInput {
			continue
		}
		for _, name := range []string{ln.from, ln.to} {
			if _, err := netip.ParseAddrPort(name); err != nil && !s.isListener(name) && s.Actor(name) == nil {
				s.Actors = append(s.Actors, &Actor{Name: name, Protocol: flow.UDP})
			}
		}
		switch {
		case s.isListener(ln.from):
			ln.kind = lineExpect
		case !s.isListener(ln.to):
			ln.kind = lineDirect
		}
	}
	l.listenFor()
	for i, a := range s.Actors {
		a.place(i)
	}
	return l.expand()
}

// listenFor adds a listener for each transport that an actor speaks and none of
// the listeners does.
func (l *ladder) listenFor() {
	s := &l.setup
	for _, a := range s.Actors {
		found := false
		for _, listener := range s.Listeners {
			found = found || listener.Protocol == a.Protocol
		}
		if !found {
			first := s.Listeners[0]
			addr := netip.AddrPortFrom(first.Addr.Addr(), a.Protocol.DefaultPort())
			s.Listeners = append(s.Listeners, Listener{Name: first.Name, Protocol: a.Protocol, Addr: addr})
		}
	}
}

// expand replaces ${name} in everything but the text as written.
func (l *ladder) expand() error {
	s := &l.setup
	s.Config = s.Expand(s.Config)
	for _, ln := range l.lines {
		ln.uri, ln.block = s.Expand(ln.uri), s.Expand(ln.block)
		for i := range ln.words {
			ln.words[i].value, ln.words[i].key = s.Expand(ln.words[i].value), s.Expand(ln.words[i].key)
		}
		if ln.kind == lineCommand && ln.words[0].text != "do" && s.Actor(ln.words[1].text) == nil {
			return fmt.Errorf("%s:%d: no actor %s", s.Name, ln.number, ln.words[1].text)
		}
	}
	return nil
}

// splitWords cuts at blanks. Quotes and angle brackets protect blanks and stay;
// backquotes protect and are removed.
func splitWords(text string) []word {
	var words []word
	var b strings.Builder
	var closing byte
	flush := func() {
		if b.Len() > 0 {
			words = append(words, readWord(b.String()))
			b.Reset()
		}
	}
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case closing == 0 && (c == ' ' || c == '\t'):
			flush()
			continue
		case closing == 0 && c == '<':
			closing = '>'
		case closing == 0 && (c == '"' || c == '`'):
			closing = c
		case c == closing:
			closing = 0
		}
		if c != '`' {
			b.WriteByte(c)
		}
	}
	flush()
	return words
}

func readWord(text string) word {
	key, value, has := strings.Cut(text, "=")
	if strings.ContainsAny(key, "<\"@;") {
		return word{text: text, key: text}
	}
	return word{text, key, value, has}
}
