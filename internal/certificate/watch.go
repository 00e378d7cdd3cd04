package certificate

import (
	"io/fs"
	"os"
	"time"
)

// Watch follows the files of a Set. The zero Watch is ready; it belongs to one
// goroutine.
type Watch struct {
	tried []stamps // by pair: what was looked at last, fit or not
}

type stamps struct{ chain, key fs.FileInfo }

// Look returns the Set that follows s, or s itself when no file has changed or
// what has changed does not fit. There is an error for each pair that does not,
// once: files that stay as they are are not read again. A renewal that has
// written one of two files is refused and found whole at a later look.
func (w *Watch) Look(d Disk, s *Set, now time.Time) (*Set, []error) {
	if len(w.tried) != len(s.pairs) {
		w.tried = make([]stamps, len(s.pairs))
		for i := range s.pairs {
			w.tried[i] = stamps{s.pairs[i].chain, s.pairs[i].key}
		}
	}
	next, changed := *s, false
	var refused []error
	next.pairs = append([]pair(nil), s.pairs...)
	for i, f := range s.files {
		chain, err := d.stat(f.Certificate)
		if err != nil {
			chain = nil // gone, which is a change of its own
		}
		key, err := d.stat(f.Key)
		if err != nil {
			key = nil
		}
		was := w.tried[i]
		if same(was.chain, chain) && same(was.key, key) {
			continue
		}
		w.tried[i] = stamps{chain, key}
		p, err := load(d, f, &s.fits, now)
		if err != nil {
			refused = append(refused, err)
			continue
		}
		next.pairs[i], changed = p, true
	}
	if !changed {
		return s, refused
	}
	return &next, refused
}

// same reports whether a file looks as it did.
func same(a, b fs.FileInfo) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return os.SameFile(a, b) && a.ModTime().Equal(b.ModTime()) && a.Size() == b.Size()
}

// Changed lists the pairs of b that are not those of a: what Look has put in.
func Changed(a, b *Set) []Expiry {
	var list []Expiry
	for i := range b.pairs {
		if i >= len(a.pairs) || a.pairs[i].tls.Leaf != b.pairs[i].tls.Leaf {
			list = append(list, Expiry{b.files[i].Certificate, b.pairs[i].tls.Leaf.NotAfter})
		}
	}
	return list
}
