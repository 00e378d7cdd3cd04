package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"viaduct/internal/clock"
	"viaduct/internal/config"
	"viaduct/internal/observe"
)

// What a client of the socket may take. Its owner is trusted, its bugs are not.
const (
	headerTimeout = 2 * time.Second
	readTimeout   = 5 * time.Second
	writeTimeout  = 5 * time.Second
	idleTimeout   = 30 * time.Second
	headerBytes   = 16 << 10
	stopTimeout   = time.Second
	reloadTimeout = 30 * time.Second // others may be before it
)

// Config is what a Server tells and turns.
type Config struct {
	Status  func() Status
	Metrics prometheus.Gatherer
	Level   *slog.LevelVar
	Log     *slog.Logger

	// Reload reads the configuration again, or with dry only tells what that would
	// change. It may wait for another reload. A config.Diagnostics is what is wrong
	// with the file.
	Reload func(dry bool) (config.Difference, error)

	Ready    func() []Part
	Bindings Bindings
	Token    string // of the listener on the network; "": it lets nobody in
}

// Server answers at the control socket.
type Server struct {
	cfg  Config
	http http.Server // at the socket
	open http.Server // on the network
}

// NewServer returns a server that answers while Run runs.
func NewServer(cfg Config) *Server {
	s := &Server{cfg: cfg}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /status", s.status)
	mux.HandleFunc("GET /metrics", s.metrics)
	mux.HandleFunc("PUT /log/{level}", s.level)
	mux.HandleFunc("GET /reload", func(w http.ResponseWriter, _ *http.Request) { s.reload(w, true) })
	mux.HandleFunc("POST /reload", func(w http.ResponseWriter, _ *http.Request) { s.reload(w, false) })
	mux.HandleFunc("GET /livez", s.live)
	mux.HandleFunc("GET /readyz", s.ready)
	s.handleRegistrations(mux)
	s.prepare(&s.http, mux)
	s.prepare(&s.open, guarded(cfg.Token, mux))
	return s
}

// prepare makes h a handler whose clients cannot take more than they may.
func (s *Server) prepare(to *http.Server, h http.Handler) {
	to.Handler = h
	to.ReadHeaderTimeout = headerTimeout
	to.ReadTimeout = readTimeout
	to.WriteTimeout = writeTimeout
	to.IdleTimeout = idleTimeout
	to.MaxHeaderBytes = headerBytes
	to.ErrorLog = slog.NewLogLogger(s.cfg.Log.Handler(), slog.LevelDebug)
}

// Run answers at the control socket l until ctx ends, and closes l. It returns
// when all is answered.
func (s *Server) Run(ctx context.Context, l net.Listener) error { return serve(ctx, &s.http, l) }

// RunNetwork is Run for a listener on the network, where the token is asked for.
func (s *Server) RunNetwork(ctx context.Context, l net.Listener) error {
	return serve(ctx, &s.open, l)
}

func serve(ctx context.Context, h *http.Server, l net.Listener) error {
	served := make(chan error, 1)
	go func() { served <- h.Serve(l) }()
	select {
	case err := <-served:
		return fmt.Errorf("admin: %w", err)
	case <-ctx.Done():
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	err := h.Shutdown(stop)
	if err != nil { // a client that does not read its answer
		err = h.Close()
	}
	if end := <-served; !errors.Is(end, http.ErrServerClosed) {
		err = errors.Join(err, end)
	}
	return err
}

func (s *Server) status(w http.ResponseWriter, _ *http.Request) { s.reply(w, s.cfg.Status()) }

func (s *Server) metrics(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Accept") != "application/json" {
		promhttp.HandlerFor(s.cfg.Metrics, promhttp.HandlerOpts{}).ServeHTTP(w, r)
		return
	}
	samples, err := gather(s.cfg.Metrics)
	if err != nil {
		s.cfg.Log.Error("metrics could not be gathered", "error", err)
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	s.reply(w, samples)
}

func (s *Server) level(w http.ResponseWriter, r *http.Request) {
	level, err := observe.ParseLevel(r.PathValue("level"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	s.cfg.Level.Set(level)
	// Never below the new level: the line that says so must not be left out.
	s.cfg.Log.Log(r.Context(), max(level, slog.LevelInfo), "log level changed", "level", level.String())
	s.reply(w, struct {
		Level string `json:"level"`
	}{level.String()})
}

// reload answers with the difference, one line each: 422 with the diagnostics when
// the file is refused, 500 when the server cannot do what it says.
func (s *Server) reload(w http.ResponseWriter, dry bool) {
	_ = http.NewResponseController(w).SetWriteDeadline(clock.Wall(clock.Now()).Add(reloadTimeout)) // every connection here has deadlines
	d, err := s.cfg.Reload(dry)
	if diags := config.Diagnostics(nil); errors.As(err, &diags) {
		var text bytes.Buffer
		diags.Print(&text, false)
		http.Error(w, text.String(), http.StatusUnprocessableEntity)
		return
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = io.WriteString(w, strings.Join(d.Lines(), "\n")+"\n") // a client that is gone needs no answer
}

// reply sends v as JSON. It is encoded first, so that a failure can still be said.
func (s *Server) reply(w http.ResponseWriter, v any) {
	var body bytes.Buffer
	if err := json.NewEncoder(&body).Encode(v); err != nil {
		s.cfg.Log.Error("answer could not be encoded", "error", err)
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(body.Bytes()) // a client that is gone needs no answer
}
