package observe

import (
	"fmt"
	"log/slog"
	"os"
	"reflect"
	"strings"
	"testing"

	"viaduct/internal/engine"
	"viaduct/internal/transport"
)

type fixed struct{ stats engine.Stats }

func (f fixed) Stats() engine.Stats { return f.stats }

// number gives every number in v a value of its own, from next on, and notes
// where each stands.
func number(v reflect.Value, path string, next *uint64, where map[float64]string) {
	switch v.Kind() {
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(*next))
	case reflect.Uint64, reflect.Uint32:
		v.SetUint(*next)
	case reflect.Array, reflect.Slice:
		for i := range v.Len() {
			number(v.Index(i), path, next, where)
		}
		return
	case reflect.Struct:
		for i := range v.NumField() {
			number(v.Field(i), path+"."+v.Type().Field(i).Name, next, where)
		}
		return
	default:
		return
	}
	where[float64(*next)] = path
	*next++
}

// derived are sums of others, and numbers that no metric repeats.
var derived = []string{
	".Proxy.InSetup",                       // engine.Stats.InSetup
	".Proxy.counts.Rejected",               // sums of Statuses
	".Proxy.counts.Responses",              // class 0 is not used
	".Proxy.counts.Requests",               // numbers beyond the last method
	".Proxy.Transactions.Servers",          // sums of Kinds
	".Proxy.Transactions.Clients",          //
	".Proxy.Transactions.ServerRetrans",    //
	".Proxy.Transactions.ClientRetrans",    //
	".Proxy.Transactions.TimedOut",         //
	".Proxy.Transactions.ServerTimedOut",   //
	".Proxy.Transactions.AbsorbedDuplicat", //
	".Proxy.Verdicts",                      // Ready is on the way to another
	".Listeners.Streams.Ended",             // reason 0 is not used
	".Listeners.Listener",                  // a place, not a number
	".Listeners.Sockets.Age",               // told in seconds
}

// Every bound and every drop has its metric: what the engine comes to count must
// come out.
func TestEveryNumberIsAMetric(t *testing.T) {
	t.Parallel()
	stats := engine.Stats{Listeners: []engine.ListenerStats{{Name: "udp", Sockets: make([]transport.Counters, 2), Streams: make([]transport.StreamCounters, 1)}}}
	where, next := map[float64]string{}, uint64(1000)
	number(reflect.ValueOf(&stats).Elem(), "", &next, where)

	site := SiteStats{Sources: []SourceStats{{Realm: "example.com"}}}
	number(reflect.ValueOf(&site).Elem(), ".Site", &next, where)

	families, err := NewRegistry(Constants{Version: "v1", Transactions: 7, Site: func() SiteStats { return site }}, fixed{stats}, NewNotes(slog.New(slog.DiscardHandler))).Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if !strings.HasPrefix(f.GetName(), prefix) {
			continue
		}
		if f.GetHelp() == "" {
			t.Errorf("%s has no help", f.GetName())
		}
		if counts := strings.HasSuffix(f.GetName(), "_total"); counts != (f.GetMetric()[0].Counter != nil) {
			t.Errorf("%s: only counters end in _total", f.GetName())
		}
		for _, m := range f.GetMetric() {
			delete(where, m.GetCounter().GetValue()+m.GetGauge().GetValue())
		}
	}
	for value, path := range where {
		known := false
		for _, d := range derived {
			known = known || strings.HasPrefix(path, d)
		}
		if !known {
			t.Errorf("no metric for %s (%v)", path, value)
		}
	}
}

// The table in docs/operations.md is made of the help texts; -update rewrites it.
func TestTheOperationsManualListsEveryMetric(t *testing.T) {
	t.Parallel()
	const file, begin, end = "../../docs/operations.md", "<!-- metrics -->\n", "<!-- end of metrics -->"
	manual, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(manual), begin)
	_, after, closed := strings.Cut(rest, end)
	if !ok || !closed {
		t.Fatalf("%s has no place for the metrics", file)
	}
	var table strings.Builder
	table.WriteString("| metric | labels | what it tells |\n|---|---|---|\n")
	row := func(name, help string, names []string) {
		labels := "`" + strings.Join(names, "` `") + "`"
		if len(names) == 0 {
			labels = ""
		}
		fmt.Fprintf(&table, "| `%s%s` | %s | %s |\n", prefix, name, labels, help)
	}
	for _, f := range families() {
		row(f.name, f.help, f.labels)
	}
	for _, f := range siteFamilies {
		row(f.name, f.help, f.labels)
	}
	want := before + begin + table.String() + end + after
	if want == string(manual) {
		return
	}
	if !*update {
		t.Fatalf("%s does not list the metrics as they are: run go test ./internal/observe -update", file)
	}
	if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
		t.Fatal(err)
	}
}
