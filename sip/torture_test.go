package sip

import ("testing";"os";"path/filepath")

func TestTorture(t *testing.T) {
	fs, _ := filepath.Glob("testdata/*/*.sip")
	for _, f := range fs {
		b, _ := os.ReadFile(f)
		var m Message
		err := m.Parse(b)
		cerr := m.Check()
		t.Log(f, err, cerr, m.Answerable())
		var r Rewriter
		r.Reset(&m)
		if string(r.AppendTo(nil)) != string(m.Wire()) { t.Error("rewrite differs", f) }
	}
}
