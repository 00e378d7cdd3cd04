package transaction_test

import (
	"strings"
	"testing"

	"viaduct/internal/effect"
	"viaduct/internal/transaction"
)

var someBranch = transaction.Branch{
	Handle: effect.MakeHandle(5, 0x123456, 0x89abcdef),
	Boot:   [4]byte{0xff, 0, 1, 2},
	Loop:   [4]byte{3, 4, 5, 6},
	Nonce:  [6]byte{7, 8, 9, 10, 11, 0xfe},
}

func TestBranchText(t *testing.T) {
	t.Parallel()
	text := string(someBranch.AppendTo([]byte("branch=")))
	if want := "branch=z9hG4bKBRI0Vomrze__AAECAwQFBgcICQoL_g"; text != want {
		t.Errorf("got %s, want %s", text, want)
	}
	got, ok := transaction.ParseBranch([]byte(text[len("branch="):]))
	if !ok || got != someBranch {
		t.Errorf("got %v %t, want %v", got, ok, someBranch)
	}
}

func TestBranchHasOneSpelling(t *testing.T) {
	t.Parallel()
	good := string(someBranch.AppendTo(nil))
	bad := map[string]string{
		"empty":                 "",
		"the cookie alone":      good[:7],
		"one character less":    good[:36],
		"one character more":    good + "A",
		"padding":               good + "==",
		"another cookie":        "z9hG4bk" + good[7:],
		"no cookie":             strings.Repeat("A", 37),
		"standard base64":       strings.Replace(good, "_", "/", 1),
		"a line end inside":     good[:35] + "\r\n",
		"a blank inside":        good[:20] + " " + good[21:],
		"bits beyond the bytes": good[:36] + "h", // g with its unused bits set
	}
	for name, text := range bad {
		if b, ok := transaction.ParseBranch([]byte(text)); ok {
			t.Errorf("%s: got %v from %q", name, b, text)
		}
	}
}

func TestBranchDoesNotAllocate(t *testing.T) {
	room := make([]byte, 0, 64)
	b := someBranch
	if n := testing.AllocsPerRun(100, func() {
		room = b.AppendTo(room[:0])
		b, _ = transaction.ParseBranch(room)
	}); n != 0 {
		t.Errorf("got %v allocations, want 0", n)
	}
}

func FuzzBranch(f *testing.F) {
	f.Add(someBranch.AppendTo(nil))
	f.Add([]byte("z9hG4bK"))
	f.Add([]byte("z9hG4bK776asdhds"))
	f.Fuzz(func(t *testing.T, text []byte) {
		b, ok := transaction.ParseBranch(text)
		if !ok {
			if b != (transaction.Branch{}) {
				t.Errorf("%q: refused, yet got %v", text, b)
			}
			return
		}
		if back := b.AppendTo(nil); string(back) != string(text) {
			t.Errorf("%q: written again it is %q", text, back)
		}
	})
}
