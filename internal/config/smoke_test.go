package config

import (
	"os"
	"testing"
)

func TestSmoke(t *testing.T) {
	n, s := Default()
	c, d := Parse(n, s, Options{})
	d.Print(os.Stdout, false)
	if c != nil {
		t.Log(c.Summary())
		t.Logf("%+v", c.Snapshot)
	}
	out, err := Format(s)
	if err != nil {
		t.Fatal(err)
	}
	if string(out) != string(s) {
		t.Errorf("%s", out)
	}
	for _, f := range []string{"office", "balancer", "trunks", "webrtc", "edge"} {
		c, d := Load("/work/shared/examples/"+f+".hcl", Options{Check: true})
		_ = c
		d.Print(os.Stdout, false)
		src, _ := os.ReadFile("/work/shared/examples/" + f + ".hcl")
		out, err := Format(src)
		if err != nil {
			t.Error(err)
		}
		if string(out) != string(src) {
			t.Errorf("%s", out)
		}
	}
}
