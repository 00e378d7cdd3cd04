package admin

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"viaduct/internal/engine"
	"viaduct/internal/host"
)

// About is what is known of a process from its start on.
type About struct {
	Version string
	PID     int
	Config  string // the file, or how the built-in configuration is called
	Path    string // its absolute path, "" when it is built in
	Started time.Time
	Limits  host.Limits
}

// Status is what a server is and does at one moment.
type Status struct {
	Version       string      `json:"version"`
	PID           int         `json:"pid"`
	Config        string      `json:"config"`
	ConfigPath    string      `json:"config_path,omitempty"` // absolute; none for the built-in configuration
	Started       time.Time   `json:"started"`
	UptimeSeconds int64       `json:"uptime_seconds"`
	State         string      `json:"state"` // running or draining
	LogLevel      string      `json:"log_level"`
	InSetup       int         `json:"in_setup"`               // requests without a final response: what a drain waits for
	Panics        uint64      `json:"panics"`                 // steps that failed and were contained
	Reloads       uint64      `json:"reloads"`                // since the start
	MemoryLimit   int64       `json:"memory_limit,omitempty"` // bytes; none without a limit
	Descriptors   int         `json:"descriptors_limit"`
	Listeners     []Listener  `json:"listeners"`
	Registered    *Registered `json:"registrations,omitempty"`
}

// Registered is how many registrations there are.
type Registered struct {
	AORs     int `json:"aors"`
	Bindings int `json:"bindings"`
}

// Listener is where the server can be reached, and what went through there.
type Listener struct {
	Name     string `json:"name"`
	Protocol string `json:"protocol"`
	Address  string `json:"address"`
	Readers  int    `json:"readers"`
	Received uint64 `json:"received"`
	Sent     uint64 `json:"sent"`
	Gone     bool   `json:"gone,omitempty"` // removed by a reload, serves what runs there
	Dropped  uint64 `json:"dropped"`        // by the kernel on receipt, or for want of room on sending
}

// StatusOf puts together what About and the engine know. now is the time of s.
func StatusOf(a About, level string, now time.Time, addresses []engine.Address, s engine.Stats) Status {
	status := Status{
		Version: a.Version, PID: a.PID, Config: a.Config, ConfigPath: a.Path, LogLevel: level,
		Reloads: s.Reloads, MemoryLimit: a.Limits.Memory, Descriptors: a.Limits.Descriptors,
		Started: a.Started.UTC().Truncate(time.Second), UptimeSeconds: int64(now.Sub(a.Started) / time.Second),
		State: "running", InSetup: s.InSetup, Panics: s.Panics,
		Listeners: make([]Listener, 0, len(addresses)),
	}
	if s.Draining {
		status.State = "draining"
	}
	for _, address := range addresses {
		l := Listener{Name: address.Name, Protocol: strings.ToLower(address.Protocol.String()), Address: address.Bind.String(), Gone: address.Gone}
		at := slices.IndexFunc(s.Listeners, func(ls engine.ListenerStats) bool { return ls.Listener == address.Listener })
		if at >= 0 {
			sum := s.Listeners[at].Total()
			l.Readers = len(s.Listeners[at].Sockets)
			l.Received, l.Sent, l.Dropped = sum.Received, sum.Sent, sum.KernelDrops+sum.DroppedFull
		}
		status.Listeners = append(status.Listeners, l)
	}
	return status
}

// WriteTable prints s for people.
func (s *Status) WriteTable(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	uptime := time.Duration(s.UptimeSeconds) * time.Second
	for _, row := range [][2]string{
		{"state", s.State},
		{"version", s.Version},
		{"pid", strconv.Itoa(s.PID)},
		{"config", s.Config},
		{"started", s.Started.Format(time.RFC3339) + ", " + uptime.String() + " ago"},
		{"log level", s.LogLevel},
		{"in setup", strconv.Itoa(s.InSetup) + " requests"},
		{"reloads", strconv.FormatUint(s.Reloads, 10)},
		{"memory limit", s.memory()},
		{"descriptors", "up to " + strconv.Itoa(s.Descriptors)},
		{"panics", strconv.FormatUint(s.Panics, 10)},
	} {
		fmt.Fprintf(t, "%s\t%s\n", row[0], row[1])
	}
	if r := s.Registered; r != nil {
		fmt.Fprintf(t, "registered\t%d users by %d contacts\n", r.AORs, r.Bindings)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(t, "\nLISTENER\tPROTOCOL\tADDRESS\tREADERS\tRECEIVED\tSENT\tDROPPED")
	for _, l := range s.Listeners {
		name := l.Name
		if l.Gone {
			name += " (gone)"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%d\t%d\t%d\t%d\n", name, l.Protocol, l.Address, l.Readers, l.Received, l.Sent, l.Dropped)
	}
	return t.Flush()
}

// memory is the memory limit for people.
func (s *Status) memory() string {
	if s.MemoryLimit == 0 {
		return "none"
	}
	return strconv.FormatInt(s.MemoryLimit>>20, 10) + " MiB"
}
