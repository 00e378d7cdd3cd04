package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"

	"viaduct/internal/clock"
)

// importBytes is the largest import that is read: PageSize addresses-of-record
// with what a few phones say.
const importBytes = 16 << 20

// handleRegistrations adds the endpoints of registrations.
func (s *Server) handleRegistrations(mux *http.ServeMux) {
	registry := Registry{s.cfg.Bindings}
	mux.HandleFunc("GET /registrations", func(w http.ResponseWriter, r *http.Request) {
		var from uint64
		if text := r.FormValue("from"); text != "" {
			var err error
			if from, err = strconv.ParseUint(text, 10, 64); err != nil {
				http.Error(w, "from is no cursor", http.StatusBadRequest)
				return
			}
		}
		page, err := registry.List(r.Context(), from)
		s.answer(w, page, err)
	})
	mux.HandleFunc("GET /registrations/{aor}", func(w http.ResponseWriter, r *http.Request) {
		found, err := registry.Show(r.Context(), r.PathValue("aor"))
		s.answer(w, found, err)
	})
	mux.HandleFunc("DELETE /registrations/{aor}", func(w http.ResponseWriter, r *http.Request) {
		n, err := registry.Remove(r.Context(), r.PathValue("aor"), r.FormValue("contact"))
		s.answer(w, removed{n}, err)
	})
	mux.HandleFunc("POST /registrations", func(w http.ResponseWriter, r *http.Request) {
		deadline := clock.Wall(clock.Now()).Add(reloadTimeout)
		_ = http.NewResponseController(w).SetReadDeadline(deadline) // every connection here has deadlines
		_ = http.NewResponseController(w).SetWriteDeadline(deadline)
		var all []Registration
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, importBytes)).Decode(&all); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		refused, err := registry.Import(r.Context(), all)
		s.answer(w, refused, err)
	})
}

// removed is the answer to DELETE.
type removed struct {
	Removed int `json:"removed"`
}

// answer replies with v, or with err and the status that it means.
func (s *Server) answer(w http.ResponseWriter, v any, err error) {
	switch {
	case err == nil:
		s.reply(w, v)
	case errors.Is(err, ErrNoRegistration):
		http.Error(w, err.Error(), http.StatusNotFound)
	case errors.Is(err, ErrNoAOR):
		http.Error(w, err.Error(), http.StatusBadRequest)
	default:
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
	}
}

// List is Registry.List of the server.
func (c *Client) List(ctx context.Context, from uint64) (p Page, err error) {
	err = c.ask(ctx, http.MethodGet, "/registrations?from="+strconv.FormatUint(from, 10), "application/json", &p)
	return p, err
}

// Show is Registry.Show of the server.
func (c *Client) Show(ctx context.Context, aor string) (r Registration, err error) {
	err = c.ask(ctx, http.MethodGet, "/registrations/"+url.PathEscape(aor), "application/json", &r)
	return r, err
}

// Remove is Registry.Remove of the server.
func (c *Client) Remove(ctx context.Context, aor, contact string) (int, error) {
	var r removed
	path := "/registrations/" + url.PathEscape(aor)
	if contact != "" {
		path += "?contact=" + url.QueryEscape(contact)
	}
	err := c.ask(ctx, http.MethodDelete, path, "application/json", &r)
	return r.Removed, err
}

// Import is Registry.Import of the server.
func (c *Client) Import(ctx context.Context, all []Registration) (refused []Refusal, err error) {
	body, err := json.Marshal(all)
	if err != nil {
		return nil, err
	}
	answer, err := c.send(ctx, http.MethodPost, "/registrations", "application/json", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	return refused, c.decode(answer, &refused)
}
