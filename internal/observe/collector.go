package observe

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"viaduct/internal/engine"
	"viaduct/internal/host"
)

// Source is what the metrics are read from: an *engine.Engine.
type Source interface{ Stats() engine.Stats }

// Constants are the metrics that do not change while the program runs.
type Constants struct {
	Version      string
	Transactions int // the most server plus client transactions under way
	Limits       host.Limits

	// Refused counts reloads that changed nothing; nil: none.
	Refused func() uint64

	// Site reads what stands beside the engine; nil: nothing does.
	Site func() SiteStats
}

const prefix = "viaduct_"

// NewRegistry returns all metrics of a server: those of source and notes, of the
// Go runtime and of the process.
func NewRegistry(c Constants, source Source, notes *Notes) *prometheus.Registry {
	registry := prometheus.NewRegistry()
	build := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: prefix + "build_info", Help: "Always 1; the label tells the version.",
		ConstLabels: prometheus.Labels{"version": c.Version},
	}, func() float64 { return 1 })
	limit := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: prefix + "transactions_limit", Help: "The most server and client transactions that may be without a final response.",
	}, func() float64 { return float64(c.Transactions) })
	unlogged := prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: prefix + "log_lines_lost_total", Help: "Notes that were not logged because the log was slower than they came.",
	}, func() float64 { return float64(notes.Unlogged()) })
	memory := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: prefix + "memory_limit_bytes", Help: "What the Go runtime keeps to; 0: no limit.",
	}, func() float64 { return float64(c.Limits.Memory) })
	descriptors := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: prefix + "descriptors_limit", Help: "The most files and sockets that may be open.",
	}, func() float64 { return float64(c.Limits.Descriptors) })
	refused := prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: prefix + "reloads_refused_total", Help: "Reloads that changed nothing because something was wrong.",
	}, func() float64 {
		if c.Refused == nil {
			return 0
		}
		return float64(c.Refused())
	})
	registry.MustRegister(build, limit, unlogged, memory, descriptors, refused, newCollector(source.Stats, families()),
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	if c.Site != nil {
		registry.MustRegister(newCollector(c.Site, siteFamilies))
	}
	return registry
}

// collector reads the numbers of an S once for each scrape.
type collector[S any] struct {
	read     func() S
	families []familyOf[S]
	descs    []*prometheus.Desc
}

func newCollector[S any](read func() S, families []familyOf[S]) *collector[S] {
	c := &collector[S]{read: read, families: families}
	for _, f := range c.families {
		c.descs = append(c.descs, prometheus.NewDesc(prefix+f.name, f.help, f.labels, nil))
	}
	return c
}

// Describe implements prometheus.Collector.
func (c *collector[S]) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range c.descs {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c *collector[S]) Collect(ch chan<- prometheus.Metric) {
	stats := c.read()
	for i := range c.families {
		f := &c.families[i]
		f.each(&stats, func(value float64, labels ...string) {
			ch <- prometheus.MustNewConstMetric(c.descs[i], f.kind, value, labels...)
		})
	}
}
