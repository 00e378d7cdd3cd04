package proxy_test

import (
	"fmt"
	"net/netip"
	"testing"

	"viaduct/internal/config"
)

// RFC 3261 §16.6 step 11: timer C is more than three minutes, whatever is written.
// Proves: TC-1, TC-5
func TestTimerCIsAboveThreeMinutes(t *testing.T) {
	t.Parallel()
	for c, valid := range map[string]bool{"60s": false, "180s": false, "3m": false, "181s": true, "185s": true, "10m": true} {
		text := fmt.Sprintf("listen \"udp\" { address = \"192.0.2.1:5060\" }\nserver {\n  domains = [\"example.org\"]\n  timers { c = %q }\n}\nrule \"all\" { send = request_uri }\n", c)
		_, bad := config.Parse("timer", []byte(text), config.Options{Addresses: func() ([]netip.Addr, error) { return nil, nil }})
		if (len(bad) == 0) != valid {
			t.Errorf("c = %s: got %v, want valid %v", c, bad, valid)
		}
	}
}
