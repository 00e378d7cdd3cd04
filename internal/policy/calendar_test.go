package policy

import (
	"testing"
	"time"
)

func TestCalendar(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, time.December, 25, 23, 5, 59, 0, time.UTC) // a Friday
	for i := range 8 {
		f := &Facts{Time: at.AddDate(0, 0, i)}
		if got, want := string(Weekday()(f)), Weekdays[(4+i)%7]; got != want {
			t.Errorf("day %d is %s, want %s", i, got, want)
		}
	}
	f := &Facts{Time: at, Scratch: []byte("x")}
	if got := string(Date()(f)); got != "2026-12-25" || Hour()(f) != 23 || Minute()(f) != 5 {
		t.Errorf("%s %d:%d", got, Hour()(f), Minute()(f))
	}
	if f.Time = at.In(time.FixedZone("east", 3600)); string(Date()(f)) != "2026-12-26" || Hour()(f) != 0 || string(Weekday()(f)) != "sat" {
		t.Errorf("an hour to the east it is %s %d", Date()(f), Hour()(f))
	}
}

func TestCalendarAlloc(t *testing.T) {
	f := &Facts{Time: time.Date(2026, 12, 25, 1, 2, 3, 0, time.UTC), Scratch: make([]byte, 0, 64)}
	date, day := Date(), Weekday()
	if n := testing.AllocsPerRun(100, func() {
		f.Scratch = f.Scratch[:0]
		_, _ = date(f), day(f)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
