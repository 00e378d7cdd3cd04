package admin

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// Sample is one metric at one moment.
type Sample struct {
	Name   string            `json:"name"`
	Labels map[string]string `json:"labels,omitempty"`
	Value  float64           `json:"value"`
}

// gather reads the counters and gauges of g, sorted by name as they come. Of the
// other kinds (a histogram of the Go runtime) the number of observations is told.
func gather(g prometheus.Gatherer) ([]Sample, error) {
	families, err := g.Gather()
	if err != nil {
		return nil, fmt.Errorf("gather metrics: %w", err)
	}
	var samples []Sample
	for _, f := range families {
		for _, m := range f.GetMetric() {
			s := Sample{Name: f.GetName(), Value: value(m)}
			for _, l := range m.GetLabel() {
				if s.Labels == nil {
					s.Labels = make(map[string]string, len(m.GetLabel()))
				}
				s.Labels[l.GetName()] = l.GetValue()
			}
			samples = append(samples, s)
		}
	}
	return samples, nil
}

func value(m *dto.Metric) float64 {
	switch {
	case m.Counter != nil:
		return m.Counter.GetValue()
	case m.Gauge != nil:
		return m.Gauge.GetValue()
	case m.Summary != nil:
		return float64(m.Summary.GetSampleCount())
	case m.Histogram != nil:
		return float64(m.Histogram.GetSampleCount())
	}
	return m.Untyped.GetValue()
}

// WriteSamples prints samples for people, as name{label="value"} and value.
func WriteSamples(w io.Writer, samples []Sample) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, s := range samples {
		labels := make([]string, 0, len(s.Labels))
		for name, value := range s.Labels {
			labels = append(labels, name+"="+strconv.Quote(value))
		}
		slices.Sort(labels)
		name := s.Name
		if len(labels) > 0 {
			name += "{" + strings.Join(labels, ",") + "}"
		}
		fmt.Fprintf(t, "%s\t%s\n", name, strconv.FormatFloat(s.Value, 'f', -1, 64))
	}
	return t.Flush()
}
