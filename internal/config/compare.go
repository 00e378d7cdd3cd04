package config

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// saying is one thing that a file says, as far as a comparison of two files needs
// it: a setting, a block with a name, or something read from elsewhere.
type saying struct {
	kind string // "rule", "group", …; "" for a setting
	name string
	text string // without comments and layout; of what must not be shown a digest
	mute bool   // text is a digest
}

// Difference is what a configuration does differently than the one in force.
type Difference struct {
	Changes []string // one line each, in the order of the file
	Restart []string // what stays as it is until the program is started again
}

// None reports that there is nothing to say.
func (d *Difference) None() bool { return len(d.Changes)+len(d.Restart) == 0 }

// Lines are Changes and Restart for a person.
func (d *Difference) Lines() []string {
	if d.None() {
		return []string{"nothing has changed"}
	}
	lines := slices.Clone(d.Changes)
	for _, r := range d.Restart {
		lines = append(lines, "needs a restart: "+r)
	}
	return lines
}

// Compare tells what next does differently than running, with which it was loaded
// as Options.Running. No secret is in it.
func Compare(running, next *Config) Difference {
	d := Difference{Restart: next.restart}
	for i := range next.said {
		p := &next.said[i]
		switch old := running.find(p); {
		case old == nil:
			d.note(p, "added", "is now "+p.text)
		case old.text != p.text:
			d.note(p, "changed", old.text+" → "+p.text)
		}
	}
	for i := range running.said {
		if p := &running.said[i]; next.find(p) == nil {
			d.note(p, "removed", "no longer "+p.text)
		}
	}
	if !slices.Equal(running.common(next), next.common(running)) {
		d.Changes = append(d.Changes, "order of rules changed")
	}
	for _, digest := range running.keys {
		if !slices.Contains(next.keys, digest) {
			d.Changes = append(d.Changes, "a key is gone: calls that began with it are not recognised any more")
			break
		}
	}
	if slices.ContainsFunc(next.keys, func(k [sha256.Size]byte) bool { return !slices.Contains(running.keys, k) }) {
		d.Changes = append(d.Changes, "a key is new")
	}
	return d
}

// note adds a line about p.
func (d *Difference) note(p *saying, what, detail string) {
	switch {
	case p.kind != "":
		d.Changes = append(d.Changes, p.kind+" "+strconv.Quote(p.name)+" "+what)
	case p.mute:
		d.Changes = append(d.Changes, p.name+" "+what)
	default:
		d.Changes = append(d.Changes, p.name+": "+detail)
	}
}

// find finds what c says of the same thing as p.
func (c *Config) find(p *saying) *saying {
	for i := range c.said {
		if q := &c.said[i]; q.kind == p.kind && q.name == p.name {
			return q
		}
	}
	return nil
}

// common are the names of c's rules that other has too, in c's order.
func (c *Config) common(other *Config) (names []string) {
	for i := range c.said {
		if p := &c.said[i]; p.kind == ruleSpec.name && other.find(p) != nil {
			names = append(names, p.name)
		}
	}
	return names
}

// record keeps of the file what Compare needs.
func (l *loader) record(body *hclsyntax.Body) {
	for _, b := range body.Blocks {
		switch b.Type {
		case serverSpec.name, adminSpec.name, destinationsSpec.name:
			l.recordSettings(b.Type, b.Body)
		default:
			l.config.said = append(l.config.said, saying{kind: b.Type, name: l.nameOf(b), text: l.plain(b.Body.SrcRange)})
		}
	}
	l.config.said = append(l.config.said, l.inputs...)
}

// nameOf is what a block is known by: its label, a listen block by its address.
func (l *loader) nameOf(b *hclsyntax.Block) string {
	if a := b.Body.Attributes["address"]; a != nil && b.Type == listenSpec.name {
		s, _, _ := l.constant(a)
		return strings.Join(append(slices.Clone(b.Labels), s), " ")
	}
	return strings.Join(b.Labels, " ")
}

// recordSettings records each attribute by its path: server.timers.c.
func (l *loader) recordSettings(path string, body *hclsyntax.Body) {
	list := make([]*hclsyntax.Attribute, 0, len(body.Attributes))
	for _, a := range body.Attributes {
		list = append(list, a)
	}
	slices.SortFunc(list, func(a, b *hclsyntax.Attribute) int { return a.SrcRange.Start.Byte - b.SrcRange.Start.Byte })
	for _, a := range list {
		p := saying{name: path + "." + a.Name, text: l.plain(a.Expr.Range())}
		if l.isSecret(a.Expr.Range()) {
			p.text, p.mute = digest(p.text), true
		}
		l.config.said = append(l.config.said, p)
	}
	for _, b := range body.Blocks {
		l.recordSettings(path+"."+b.Type, b.Body)
	}
}

// plain is a piece of the file without comments and layout.
func (l *loader) plain(rng hcl.Range) string {
	tokens, _ := hclsyntax.LexConfig([]byte(l.source(rng)), l.name, hcl.InitialPos) // it was parsed before
	var b bytes.Buffer
	end := 0
	for _, t := range tokens {
		switch t.Type {
		case hclsyntax.TokenComment, hclsyntax.TokenNewline, hclsyntax.TokenEOF:
			continue
		}
		if b.Len() > 0 && t.Range.Start.Byte > end {
			b.WriteByte(' ')
		}
		b.Write(t.Bytes)
		end = t.Range.End.Byte
	}
	return b.String()
}

// input records what env or file gave, which a change of the file does not show.
func (l *loader) input(call, name, value string) {
	p := saying{name: call + "(" + strconv.Quote(name) + ")", text: digest(value), mute: true}
	if !slices.Contains(l.inputs, p) {
		l.inputs = append(l.inputs, p)
	}
}

func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return string(sum[:])
}

// stay keeps what holds for the life of the process as it is in the running
// configuration, and notes what the file wants otherwise.
func (l *loader) stay(running *Config) {
	l.stayAdmin(running)
	c := l.config
	was, is := &running.Snapshot.Timers, &c.Snapshot.Timers
	for _, t := range []struct {
		name    string
		was, is *time.Duration
	}{{"t1", &was.T1, &is.T1}, {"t2", &was.T2, &is.T2}, {"t4", &was.T4, &is.T4}} {
		if *t.was != *t.is {
			c.restart = append(c.restart, fmt.Sprintf("server.timers.%s = %q, which stays %q until then", t.name, *t.is, *t.was))
			*t.is = *t.was
		}
	}
	for _, n := range []struct {
		name    string
		was, is *int
	}{
		{"transactions", &running.Transactions, &c.Transactions},
		{"guesses", &running.Guard.Guesses, &c.Guard.Guesses},
		{"guess_marks", &running.Guard.Marks, &c.Guard.Marks},
		{"nonces", &running.Guard.Nonces, &c.Guard.Nonces},
	} {
		if *n.was != *n.is {
			c.restart = append(c.restart, fmt.Sprintf("server.limits.%s = %d, which stays %d until then", n.name, *n.is, *n.was))
			*n.is = *n.was
		}
	}
}
