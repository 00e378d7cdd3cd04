package users

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"sync"

	"viaduct/internal/auth"
)

// maxBody bounds an answer of the service, in bytes: three digests take 300.
const maxBody = 16 << 10

// fetch asks the service for a user. err tells why the answer is Failed.
func (h *HTTP) fetch(ctx context.Context, user string) (*auth.HA1, auth.Answer, error) {
	select {
	case h.flights <- struct{}{}:
		defer func() { <-h.flights }()
	case <-ctx.Done():
		return nil, auth.Failed, errors.New("too many requests are waiting for it")
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, h.address(user), nil)
	if err != nil {
		return nil, auth.Failed, err
	}
	request.Header.Set("Accept", "application/json")
	if h.token != "" {
		request.Header.Set("Authorization", "Bearer "+h.token)
	}
	response, err := h.client.Do(request)
	if err != nil {
		// The text of a *url.Error has the user in it.
		if wrapped := (*url.Error)(nil); errors.As(err, &wrapped) {
			err = wrapped.Err
		}
		return nil, auth.Failed, err
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxBody+1))
	_ = response.Body.Close() // what came is judged by itself
	switch {
	case response.StatusCode == http.StatusNotFound:
		return nil, auth.Unknown, nil
	case err != nil:
		return nil, auth.Failed, err
	case response.StatusCode != http.StatusOK:
		return nil, auth.Failed, fmt.Errorf("status %d", response.StatusCode)
	case len(body) > maxBody:
		return nil, auth.Failed, fmt.Errorf("more than %d bytes", maxBody)
	}
	ha1, err := parseAnswer(body)
	if err != nil {
		return nil, auth.Failed, err
	}
	return ha1, auth.Known, nil
}

// address adds realm and user to the query of the configured URL.
func (h *HTTP) address(user string) string {
	u := h.url
	query := u.Query()
	query.Set("realm", h.realm)
	query.Set("user", user)
	u.RawQuery = query.Encode()
	return u.String()
}

// parseAnswer reads {"ha1": {"SHA-256": "…", "MD5": "…"}}. Algorithms that are not
// known here are passed over; of those that are each digest has to be right.
func parseAnswer(body []byte) (*auth.HA1, error) {
	var answer struct {
		HA1 map[string]string `json:"ha1"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return nil, errors.New("the answer is not JSON of the form {\"ha1\": {…}}") // err may quote a digest
	}
	var ha1 auth.HA1
	for name, sum := range answer.HA1 {
		a := auth.ParseAlgorithm(name)
		if a == auth.NoAlgorithm {
			continue
		}
		if ha1.Get(a) != nil || !ha1.SetHex(a, sum) {
			return nil, fmt.Errorf("the answer has no sound digest for %s", a)
		}
	}
	if ha1.Empty() {
		return nil, errors.New("the answer has no digest of a known algorithm")
	}
	return &ha1, nil
}

// health says once that a service fails, and once that it answers again.
type health struct {
	mu     sync.Mutex
	failed uint64 // in a row
}

func (s *health) note(log *slog.Logger, service string, err error) {
	s.mu.Lock()
	before := s.failed
	if s.failed++; err == nil {
		s.failed = 0
	}
	s.mu.Unlock()
	switch {
	case err != nil && before == 0:
		log.Warn("users service fails", "service", service, "err", err)
	case err == nil && before > 0:
		log.Info("users service answers again", "service", service, "failures", before)
	}
}
