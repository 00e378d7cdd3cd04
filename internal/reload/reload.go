// Package reload makes a file the configuration of a running server, or says why
// not: parse, check, bind, swap, tell. Anything wrong on the way leaves everything
// as it was (safety.md rule 17).
//
//	HUP, viaduct reload ──▶ config.Load ──▶ site.Equip, engine.Reload ──▶ drain, log level ──▶ the difference
//	                            │ diagnostics    │ no such file, no such address
//	                            └────────────────┴──▶ refused, counted, logged
package reload

import (
	"errors"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"viaduct/internal/config"
	"viaduct/internal/proxy"
	"viaduct/internal/resolve"
	"viaduct/internal/transport"
)

// Engine is what a reload needs of an *engine.Engine.
type Engine interface {
	Listeners() []proxy.Listener
	Reload(s *proxy.Snapshot, settings ...transport.Settings) error
	SetDrain(d time.Duration)
	SetDNS(servers []netip.AddrPort, hosts *resolve.Hosts)
}

// Site is what the server holds beside its engine: a site.Site.
type Site interface {
	Equip(next *config.Config) error
	Keep(inForce *config.Config)
}

// Manager is told when a reload begins and when it is over: a host.Manager.
type Manager interface {
	Reloading() error
	Ready() error
}

// ErrBuiltIn is returned when there is no file to read again.
var ErrBuiltIn = errors.New("the server runs with its built-in configuration: there is no file to read again")

// Config is what a Reloader is built with.
type Config struct {
	Running *config.Config // what the engine was started with
	BuiltIn bool           // there is no file
	Engine  Engine
	Site    Site
	Manager Manager
	Level   *slog.LevelVar
	Keep    bool // Level was asked for by the one who started the server: no file changes it
	Log     *slog.Logger
}

// Reloader reloads, one at a time.
type Reloader struct {
	cfg     Config
	refused atomic.Uint64

	mu      sync.Mutex // whoever comes meanwhile waits for it
	running *config.Config
}

// New returns a Reloader.
func New(cfg Config) *Reloader { return &Reloader{cfg: cfg, running: cfg.Running} }

// Refused counts the reloads that changed nothing.
func (r *Reloader) Refused() uint64 { return r.refused.Load() }

// Reload reads the file again and returns what has changed. The error is a
// config.Diagnostics when the file is wrong; whatever it is, nothing has changed.
func (r *Reloader) Reload() (config.Difference, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.note(r.cfg.Manager.Reloading())
	defer func() { r.note(r.cfg.Manager.Ready()) }()
	next, d, err := r.load(false)
	if err == nil {
		err = r.cfg.Site.Equip(next)
	}
	if err == nil {
		err = r.cfg.Engine.Reload(next.Snapshot, next.Streams...)
	}
	if err != nil {
		r.refused.Add(1)
		r.complain(err)
		return config.Difference{}, err
	}
	r.cfg.Site.Keep(next)
	r.cfg.Engine.SetDrain(next.Drain)
	servers, hosts, err := next.DNS()
	r.note(err)
	r.cfg.Engine.SetDNS(servers, hosts)
	if next.Log != r.running.Log && !r.cfg.Keep {
		r.cfg.Level.Set(next.Log)
	}
	r.running = next
	next.Warnings.Log(r.cfg.Log)
	r.cfg.Log.Info("reloaded", "config", next.File, "changes", len(d.Changes), "need_restart", len(d.Restart))
	for _, line := range d.Lines() {
		r.cfg.Log.Info("configuration", "change", line)
	}
	return d, nil
}

// Preview returns what Reload would change, and changes nothing.
func (r *Reloader) Preview() (config.Difference, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, d, err := r.load(true)
	return d, err
}

// load reads the file as what follows the running configuration. Its path is that
// of the start, and the process has not changed its directory.
func (r *Reloader) load(look bool) (*config.Config, config.Difference, error) {
	if r.cfg.BuiltIn {
		return nil, config.Difference{}, ErrBuiltIn
	}
	now := r.running.At(r.cfg.Engine.Listeners())
	next, diags := config.Load(r.running.File, config.Options{Running: now, Check: look})
	if len(diags) > 0 {
		return nil, config.Difference{}, diags
	}
	return next, config.Compare(r.running, next), nil
}

// complain logs why a reload was refused, one line for each thing that is wrong.
func (r *Reloader) complain(err error) {
	diags := config.Diagnostics(nil)
	if !errors.As(err, &diags) {
		r.cfg.Log.Error("reload refused, nothing has changed", "error", err)
		return
	}
	r.cfg.Log.Error("reload refused, nothing has changed", "config", r.running.File, "errors", len(diags))
	diags.Log(r.cfg.Log)
}

func (r *Reloader) note(err error) {
	if err != nil {
		r.cfg.Log.Warn("reload", "error", err)
	}
}
