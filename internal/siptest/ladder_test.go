package siptest

import "testing"

func TestLadders(t *testing.T) {
	RunDir(t, "testdata/*.ladder", newForker)
}
