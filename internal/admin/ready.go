package admin

import (
	"bytes"
	"fmt"
	"net/http"

	"viaduct/internal/engine"
	"viaduct/internal/location"
)

// Part is a part of a server that has to be ready for it to be sent traffic.
type Part struct {
	Name  string
	Fault string // why it is not ready, "" when it is
}

// PartsOf judges a server by what its parts tell.
func PartsOf(addresses []engine.Address, s engine.Stats, d location.Stats) []Part {
	engine, store, listeners := Part{Name: "engine"}, Part{Name: "store"}, Part{Name: "listeners", Fault: "none is open"}
	if s.Draining {
		engine.Fault = "draining"
	}
	if d.Failing {
		store.Fault = "the last transaction failed"
	}
	for _, a := range addresses {
		if !a.Gone {
			listeners.Fault = ""
		}
	}
	return []Part{engine, listeners, store}
}

// live answers as long as the process does.
func (s *Server) live(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte("ok\n")) // a client that is gone needs no answer
}

// ready answers 200 when every part is ready, else 503; the text tells of each.
func (s *Server) ready(w http.ResponseWriter, _ *http.Request) {
	var text bytes.Buffer
	status := http.StatusOK
	for _, p := range s.cfg.Ready() {
		state := "ok"
		if p.Fault != "" {
			state, status = p.Fault, http.StatusServiceUnavailable
		}
		fmt.Fprintf(&text, "%s: %s\n", p.Name, state)
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(text.Bytes()) // likewise
}
