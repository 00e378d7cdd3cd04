package flow

import "testing"

func TestDomain(t *testing.T) {
	t.Parallel()
	a, b := MakeDomain([]byte("Example.COM.")), MakeDomain([]byte("example.com"))
	if a != b || a.String() != "example.com" || a.IsZero() {
		t.Errorf("got %q and %q", a, b)
	}
	if a == MakeDomain([]byte("a.example.com")) {
		t.Error("another name is the same Domain")
	}
	if none := MakeDomain(nil); !none.IsZero() || none.String() != "" {
		t.Errorf("none is %q", none)
	}
	with, without := Hop{Domain: a}, Hop{}
	if with == without {
		t.Error("a Hop with a Domain equals one without")
	}
}
