package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"

	"github.com/spf13/cobra"

	"viaduct/internal/admin"
	"viaduct/internal/clock"
	"viaduct/internal/config"
	"viaduct/internal/engine"
	"viaduct/internal/host"
	"viaduct/internal/observe"
	"viaduct/internal/reload"
	"viaduct/internal/site"
)

// runFlags are the flags of viaduct run.
type runFlags struct {
	trace  who
	level  level
	format choice
	socket string
}

// who is the flag that names whose messages are traced.
type who struct {
	observe.Who
	text string
}

func (w *who) String() string { return w.text }
func (w *who) Type() string   { return "WHO" }

func (w *who) Set(text string) (err error) {
	w.text = text
	w.Who, err = observe.ParseWho(text)
	return err
}

// level is the flag that overrides the log level of the configuration.
type level struct {
	slog.Level
	text string
}

func (l *level) String() string { return l.text }
func (l *level) Type() string   { return "LEVEL" }

func (l *level) Set(text string) (err error) {
	l.text = text
	l.Level, err = observe.ParseLevel(text)
	return err
}

func runCommand() *cobra.Command {
	flags := runFlags{format: choice{"text", []string{"text", "json"}}}
	cmd := &cobra.Command{
		Use:   "run [FILE]",
		Short: "Serve, as FILE says or with the built-in configuration",
		Long: `Serves until a signal comes. Without FILE it starts the built-in configuration: a
registrar and proxy on loopback only, which says how to register and place a call.

TERM and INT drain: new calls are refused with 503, what is in setup goes on, then
the program ends. A second signal ends it at once. HUP reads FILE again, as
viaduct reload does.

--trace prints the messages of one caller or callee, and of every call they take
part in, on standard output. WHO is a user (bob), a user at a host
(bob@example.com), an address (192.0.2.1 or 192.0.2.1:5060) or a Call-ID.`,
		Example: `  viaduct run
  viaduct run --trace bob
  viaduct run /etc/viaduct/viaduct.hcl --log-format json`,
		Args: cobra.MaximumNArgs(1),
		RunE: action(func(cmd *cobra.Command, args []string) error {
			return run(cmd, flags, args)
		}),
	}
	cmd.Flags().Var(&flags.trace, "trace", "print the messages of WHO as a ladder")
	cmd.Flags().Var(&flags.level, "log-level", "debug, info, warn or error (default: what the configuration says)")
	cmd.Flags().Var(&flags.format, "log-format", "form of the log lines on standard error")
	cmd.Flags().StringVar(&flags.socket, "socket", defaultSocket(), "control socket")
	return cmd
}

// sinks are the parts of a server that look on while the engine works.
type sinks struct {
	log     *slog.Logger
	notes   *observe.Notes
	tracer  *observe.Tracer // nil: nobody is traced
	admin   *admin.Server
	socket  net.Listener // nil: no control socket
	network net.Listener // nil: no admin block
	reload  *reload.Reloader
	site    *site.Site
	manager host.Manager
}

func run(cmd *cobra.Command, flags runFlags, args []string) error {
	cfg, demo, err := load(cmd.ErrOrStderr(), args)
	defer demo.remove()
	if err != nil {
		return err
	}
	threshold := new(slog.LevelVar)
	threshold.Set(cfg.Log)
	if cmd.Flags().Changed("log-level") {
		threshold.Set(flags.level.Level)
	}
	log, err := observe.NewLogger(cmd.ErrOrStderr(), flags.format.value, threshold)
	if err != nil {
		return err
	}
	s := sinks{log: log, notes: observe.NewNotes(log)}
	limits, err := host.Apply()
	if err != nil {
		log.Warn("the limit of descriptors could not be raised", "error", err)
	}
	// A trace that nobody reads any more must not end the server.
	signal.Ignore(syscall.SIGPIPE)
	servers, hosts, err := cfg.DNS()
	if err != nil {
		log.Warn("names may not be found", "error", err)
	}
	answers := engine.NewAnswers()
	if s.site, err = site.Open(cfg, answers, log, tellRows(log)); err != nil {
		return err
	}
	e, err := engine.New(engine.Config{
		Answers: answers, Users: s.site,
		Snapshot: cfg.Snapshot, Settings: cfg.Streams, Drain: cfg.Drain, Max: cfg.Transactions, Guard: cfg.Guard, Log: log, Notes: s.notes,
		DNS: engine.DNS{Servers: servers, Hosts: hosts},
	})
	if err != nil {
		return errors.Join(err, s.site.Close())
	}
	if s.socket, err = controlSocket(cmd, flags.socket, log); err != nil {
		e.Close()
		return errors.Join(err, s.site.Close())
	}
	if cfg.Admin.Address.IsValid() {
		if s.network, err = admin.ListenLoopback(cfg.Admin.Address); err != nil {
			e.Close()
			return errors.Join(err, closed(s.socket), s.site.Close())
		}
	}
	if flags.trace.text != "" {
		s.tracer = observe.NewTracer(flags.trace.Who)
		e.Trace(s.tracer)
	}
	s.reload = reload.New(reload.Config{
		Running: cfg, BuiltIn: len(args) == 0, Engine: e, Site: s.site, Manager: s.manager,
		Level: threshold, Keep: cmd.Flags().Changed("log-level"), Log: log,
	})
	about := admin.About{Version: version(), PID: os.Getpid(), Config: cfg.File, Started: clock.Wall(clock.Now()), Limits: limits}
	if len(args) > 0 {
		about.Path, _ = filepath.Abs(cfg.File) // fails without a directory to be in; then there is none to tell
	}
	s.admin = newAdmin(about, threshold, cfg, e, &s)
	announce(cmd.OutOrStdout(), log, e.Addresses(), cfg, demo)
	return serve(e, s)
}

// closed closes a listener if there is one.
func closed(l net.Listener) error {
	if l == nil {
		return nil
	}
	return l.Close()
}

// tellRows logs how far the store has been read, for a start that takes long.
func tellRows(log *slog.Logger) func(rows int) {
	return func(rows int) { log.Info("reading the bindings in the store", "rows", rows) }
}

// newAdmin puts together what is told at the control socket.
func newAdmin(about admin.About, threshold *slog.LevelVar, cfg *config.Config, e *engine.Engine, s *sinks) *admin.Server {
	constants := observe.Constants{Version: about.Version, Transactions: cfg.Transactions, Limits: about.Limits, Refused: s.reload.Refused, Site: s.site.Stats}
	return admin.NewServer(admin.Config{
		Status: func() admin.Status {
			status := admin.StatusOf(about, threshold.Level().String(), clock.Wall(clock.Now()), e.Addresses(), e.Stats())
			d := s.site.Directory().Stats()
			status.Registered = &admin.Registered{AORs: d.AORs, Bindings: d.Bindings}
			return status
		},
		Ready: func() []admin.Part {
			return admin.PartsOf(e.Addresses(), e.Stats(), s.site.Directory().Stats())
		},
		Bindings: s.site.Bindings(),
		Token:    cfg.Admin.Token,
		Metrics:  observe.NewRegistry(constants, e, s.notes),
		Level:    threshold,
		Log:      s.log,
		Reload: func(dry bool) (config.Difference, error) {
			if dry {
				return s.reload.Preview()
			}
			return s.reload.Reload()
		},
	})
}

// controlSocket opens the control socket. Without one the server would still
// serve, so that only a socket that was asked for by name is worth refusing.
func controlSocket(cmd *cobra.Command, path string, log *slog.Logger) (net.Listener, error) {
	l, err := admin.Listen(path)
	if err != nil && !cmd.Flags().Changed("socket") {
		log.Warn("no control socket: viaduct ctl will not work; name another with --socket", "error", err)
		return nil, nil
	}
	return l, err
}

// serve runs the engine until it ends, the sinks around it, and tells the
// service manager (sd_notify(3)).
func serve(e *engine.Engine, s sinks) error {
	ctx, drain := context.WithCancel(context.Background())
	defer drain()
	looking, leave := context.WithCancel(context.Background())
	var group sync.WaitGroup
	group.Go(func() { s.notes.Run(looking) })
	if s.tracer != nil {
		group.Go(func() {
			if err := s.tracer.Run(looking, os.Stdout, colour(os.Stdout)); err != nil {
				e.Trace(nil)
				s.log.Error("trace ended", "error", err)
			}
		})
	}
	if s.socket != nil {
		group.Go(func() {
			if err := s.admin.Run(looking, s.socket); err != nil {
				s.log.Error("control socket closed", "error", err)
			}
		})
	}
	if s.network != nil {
		group.Go(func() {
			if err := s.admin.RunNetwork(looking, s.network); err != nil {
				s.log.Error("admin address closed", "error", err)
			}
		})
	}
	group.Go(func() { // longer than the engine: what it took has to be stored
		if err := s.site.Run(looking); err != nil {
			s.log.Error("store closed", "error", err)
		}
	})
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	defer signal.Stop(signals)
	group.Go(func() { obey(looking, signals, e, &s, drain) })
	group.Go(func() { s.warn(s.manager.Watch(looking, e.Beats)) })
	s.warn(s.manager.Ready())
	err := e.Run(ctx)
	leave()
	group.Wait()
	return err
}

// obey turns signals into what they ask for, until ctx ends. A reload runs beside
// it, so that the signal that stops the server need not wait for one.
func obey(ctx context.Context, signals <-chan os.Signal, e *engine.Engine, s *sinks, drain context.CancelFunc) {
	var reloads sync.WaitGroup
	defer reloads.Wait()
	for draining := false; ; {
		select {
		case <-ctx.Done():
			return
		case got := <-signals:
			switch {
			case got == syscall.SIGHUP:
				reloads.Go(func() { _, _ = s.reload.Reload() }) // it has logged what came of it
			case draining:
				e.Stop()
			default:
				draining = true
				s.warn(s.manager.Stopping())
				drain()
			}
		}
	}
}

// warn logs what the service manager could not be told.
func (s *sinks) warn(err error) {
	if err != nil {
		s.log.Warn("service manager", "error", err)
	}
}
