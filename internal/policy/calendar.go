package policy

import "time"

// What the clock on the wall says, where the server is, when a request is decided.

// Hour is the hour, 0 to 23.
func Hour() Number { return func(f *Facts) int64 { return int64(f.Time.Hour()) } }

// Minute is the minute, 0 to 59.
func Minute() Number { return func(f *Facts) int64 { return int64(f.Time.Minute()) } }

// Weekdays are the values of Weekday.
var Weekdays = []string{"mon", "tue", "wed", "thu", "fri", "sat", "sun"}

// Weekday is the day of the week.
func Weekday() Text {
	var words [7]Text
	for i, w := range Weekdays {
		words[(i+1)%7] = Const(w) // time.Sunday is 0
	}
	return func(f *Facts) []byte { return words[f.Time.Weekday()](f) }
}

// Date is the day as "2026-12-25".
func Date() Text {
	return func(f *Facts) []byte {
		mark := len(f.Scratch)
		f.Scratch = f.Time.AppendFormat(f.Scratch, time.DateOnly)
		return f.keep(mark)
	}
}
