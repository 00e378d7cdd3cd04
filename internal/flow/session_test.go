package flow

import "testing"

func TestSession(t *testing.T) {
	t.Parallel()
	a := MakeSession("abc")
	if a != MakeSession("abc") || a == MakeSession("ABC") || a.String() != "abc" {
		t.Errorf("got %q", a)
	}
	if none := MakeSession(""); none != (Session{}) || none.String() != "" {
		t.Errorf("none is %q", none)
	}
	if h := (Flow{Session: a}).Hop(); h != (Hop{}) {
		t.Error("where a message goes has a session")
	}
}
