package config

import (
	"strings"
	"testing"
)

func TestTimezone(t *testing.T) {
	t.Parallel()
	s := load(t, `
server { timezone = "Europe/Amsterdam" }
listen "udp" { address = "192.0.2.1:5060" }
rule "closed" {
  when  = time.hour < 8 || time.hour >= 18 || one_of(time.weekday, "sat", "sun") || time.date == "2026-12-25" || time.minute > 58
  reply = "480 Closed"
}
`).Snapshot
	if s.Zone == nil || s.Zone.String() != "Europe/Amsterdam" || !s.Program.Reads.Time {
		t.Errorf("zone %v, reads %+v", s.Zone, s.Program.Reads)
	}
	if s := load(t, `listen "udp" { address = "192.0.2.1:5060" }`).Snapshot; s.Zone != nil || s.Program.Reads.Time {
		t.Errorf("without a word: zone %v, reads %+v", s.Zone, s.Program.Reads)
	}
	for said, want := range map[string]string{
		`server { timezone = "Mars/Olympus" }`:                                                  `"Mars/Olympus" is no time zone`,
		`server { timezone = "" }`:                                                              `"" is no time zone`,
		`server { timezone = 1 }`:                                                               "as timezone",
		"rule \"x\" {\n when = time.weekday == \"saturday\"\n drop = true\n}":                   `time.weekday is never "saturday"`,
		"rule \"x\" {\n when = time == 5\n drop = true\n}":                                      "time has parts",
		"rule \"x\" {\n when = time.hour == \"8\"\n drop = true\n}":                             "a number",
		"server { mode = \"stateless\" }\nrule \"x\" {\n when = time.hour < 8\n drop = true\n}": "time needs a stateful listener",
	} {
		_, bad := Parse("x", []byte("listen \"udp\" { address = \"192.0.2.1:5060\" }\n"+said+"\n"), quiet())
		if len(bad) != 1 || !strings.Contains(bad.Error()+bad[0].Hint, want) {
			t.Errorf("%s: got %v, want %s", said, bad, want)
		}
	}
}
