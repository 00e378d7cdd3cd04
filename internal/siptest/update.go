package siptest

import (
	"fmt"
	"strings"
)

// write gives a sent message the line that a person would write for it.
func (r *runner) write(ev *Event) string {
	m := ev.Message()
	words := []string{"via+1", "copy", "same-branch", "record-route"}
	if !m.IsRequest() {
		words = []string{"via-1", "copy"}
		if _, method := m.CSeq(); method != "INVITE" {
			words = append(words, "cseq="+method)
		}
	}
	var kept []string
	for _, text := range words {
		if ok, _ := r.holds(readWord(text), ev); ok && !(text == "same-branch" && m.Method == "INVITE") {
			kept = append(kept, text)
		}
		if text == "via+1" && len(kept) == 1 && m.Has("Max-Forwards") {
			kept = append(kept, "max-forwards="+m.Get("Max-Forwards"))
		}
	}
	if n := r.call(m, 0); n > 1 && n < 100 {
		kept = append(kept, fmt.Sprintf("call=%d", n))
	}
	if ev.At > r.stepped && r.timed(ev) {
		kept = append(kept, "at "+since(r.stepped, ev.At))
	}
	return compose(ev, "", kept)
}

// timed reports whether ev was sent by a timer: nothing was received at its instant.
func (r *runner) timed(ev *Event) bool {
	for _, e := range r.edge.trace.Events {
		if e.At == ev.At && e.arrives() {
			return false
		}
	}
	return true
}

// rewrite corrects a line: words that hold stay as they were written, values are
// put right, the rest goes.
func (r *runner) rewrite(ln *line, ev *Event) string {
	if what(ev.Message()) != ln.what {
		return r.write(ev)
	}
	var kept []string
	for _, w := range ln.words {
		ok, got := r.holds(w, ev)
		switch {
		case ok:
			kept = append(kept, w.text)
		case w.key == "at":
			kept = append(kept, got)
		case w.hasValue && got != "":
			if strings.ContainsAny(got, " \t") {
				got = "`" + got + "`"
			}
			kept = append(kept, w.key+"="+got)
		}
	}
	uri := ""
	if ln.uri != "" {
		uri = ev.Message().URI
	}
	return compose(ev, uri, kept)
}

func compose(ev *Event, uri string, words []string) string {
	if uri != "" {
		words = append([]string{uri}, words...)
	}
	text := fmt.Sprintf("%-6s %s %-7s %-7s %s", ev.From, arrow(ev), ev.To, what(ev.Message()), strings.Join(words, " "))
	return strings.TrimRight(text, " ")
}

// diff shows two texts line by line: "-" only in want, "+" only in got.
func diff(want, got string) string {
	a, b := strings.Split(want, "\n"), strings.Split(got, "\n")
	// common[i][j] is the length of the longest common subsequence of a[i:] and b[j:].
	common := make([][]int, len(a)+1)
	for i := range common {
		common[i] = make([]int, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i] == b[j] {
				common[i][j] = common[i+1][j+1] + 1
			} else {
				common[i][j] = max(common[i+1][j], common[i][j+1])
			}
		}
	}
	var out strings.Builder
	i, j := 0, 0
	for i < len(a) || j < len(b) {
		switch {
		case i < len(a) && j < len(b) && a[i] == b[j]:
			out.WriteString("    " + a[i] + "\n")
			i, j = i+1, j+1
		case j == len(b) || i < len(a) && common[i+1][j] >= common[i][j+1]:
			out.WriteString("  - " + a[i] + "\n")
			i++
		default:
			out.WriteString("  + " + b[j] + "\n")
			j++
		}
	}
	return out.String()
}
