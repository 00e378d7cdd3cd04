package users

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"viaduct/internal/auth"
	"viaduct/internal/clock"
)

const (
	maxFile   = 256 << 20 // bytes of a file, some two million users
	maxLine   = 1024      // bytes of a line
	maxFaults = 20        // that are told of one file
	maxName   = 256       // bytes of a user or realm, as in credentials
)

// Table is the users of one realm as a file has them: immutable, an auth.Users.
type Table struct {
	Exposed bool // others than owner and group may read the file
	Others  int  // lines that are for other realms

	users map[string]*auth.HA1
}

// Len is how many users there are.
func (t *Table) Len() int { return len(t.users) }

// Find is auth.Users: it always knows, and allocates nothing.
func (t *Table) Find(_ clock.Instant, user []byte) (*auth.HA1, auth.Answer) {
	if h := t.users[string(user)]; h != nil {
		return h, auth.Known
	}
	return nil, auth.Unknown
}

// Load reads the users of a realm from a file. All faults are told at once, as
// "file:line: what", and make the file unusable.
func Load(path, realm string) (*Table, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // only read
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, err
	}
	t, err := Parse(path, text, realm)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	t.Exposed = info.Mode()&0o007 != 0
	return t, nil
}

// Parse is Load for a text; name stands for the file in errors.
func Parse(name string, text []byte, realm string) (*Table, error) {
	if len(text) > maxFile {
		return nil, fmt.Errorf("%s: more than %d bytes", name, maxFile)
	}
	t := &Table{users: map[string]*auth.HA1{}}
	var faults []error
	seen := map[lineKey]int{}
	for n, rest := 1, text; len(rest) > 0; n++ {
		var line []byte
		line, rest, _ = bytes.Cut(rest, []byte("\n"))
		e, err := parseLine(line)
		if err == nil && e.key.user != "" {
			if first := seen[e.key]; first != 0 {
				err = fmt.Errorf("%s of %s in %s is in line %d too", e.key.algorithm, e.key.user, e.key.realm, first)
			}
			seen[e.key] = n
		}
		if err != nil {
			if faults = append(faults, fmt.Errorf("%s:%d: %w", name, n, err)); len(faults) == maxFaults {
				return nil, errors.Join(append(faults, fmt.Errorf("%s: there may be more", name))...)
			}
			continue
		}
		t.add(e, realm)
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	return t, nil
}

func (t *Table) add(e entry, realm string) {
	switch {
	case e.key.user == "":
		return
	case e.key.realm != realm:
		t.Others++
		return
	}
	h := t.users[e.key.user]
	if h == nil {
		h = new(auth.HA1)
		t.users[e.key.user] = h
	}
	h.SetHex(e.key.algorithm, e.sum) // its length was checked with the line
}

// entry is what a line says; key.user is empty for a comment or an empty line.
type entry struct {
	key lineKey
	sum string
}

// lineKey is what a line is about: there is one line for each.
type lineKey struct {
	user, realm string
	algorithm   auth.Algorithm
}

// parseLine reads "user:realm:algorithm:HA1". A colon can stand in none of the
// four, because it separates them in the digest too (RFC 7616 §3.4.2).
func parseLine(line []byte) (entry, error) {
	text := strings.Trim(string(line), " \t\r\n")
	if len(text) > maxLine {
		return entry{}, fmt.Errorf("longer than %d bytes", maxLine)
	}
	if text == "" || text[0] == '#' {
		return entry{}, nil
	}
	parts := strings.Split(text, ":")
	if len(parts) != 4 {
		return entry{}, errors.New("not of the form user:realm:algorithm:HA1")
	}
	e := entry{lineKey{parts[0], parts[1], auth.ParseAlgorithm(parts[2])}, parts[3]}
	if e.key.algorithm == auth.NoAlgorithm {
		return entry{}, fmt.Errorf("unknown algorithm %q: SHA-256, SHA-512-256 or MD5", parts[2])
	}
	if err := checkName("user", e.key.user); err != nil {
		return entry{}, err
	}
	if err := checkName("realm", e.key.realm); err != nil {
		return entry{}, err
	}
	if !new(auth.HA1).SetHex(e.key.algorithm, e.sum) {
		// The value itself is a secret and stays out of the message.
		return entry{}, fmt.Errorf("%s has %d hexadecimal digits, not what stands here", e.key.algorithm, 2*e.key.algorithm.Size())
	}
	return e, nil
}

// checkName tells what cannot be a user or realm.
func checkName(what, name string) error {
	if fault := faultOf(name); fault != "" {
		return fmt.Errorf("%s %.40q %s", what, name, fault)
	}
	return nil
}

// faultOf tells why a name cannot stand in a line, "" when it can.
func faultOf[T string | []byte](name T) string {
	switch {
	case len(name) == 0:
		return "is empty"
	case len(name) > maxName:
		return "is too long"
	case name[0] == ' ' || name[0] == '#' || name[len(name)-1] == ' ':
		return "begins or ends with what would be lost"
	}
	for i := range len(name) {
		if c := name[i]; c < ' ' || c == 0x7f || c == ':' {
			return "holds a colon or a control character"
		}
	}
	return ""
}
