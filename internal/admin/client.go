package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"
)

const (
	dialTimeout   = 2 * time.Second
	clientTimeout = 40 * time.Second // longer than a reload may take
	answerBytes   = 64 << 20         // largest answer that is read
)

// ErrNotRunning is returned when nobody answers at the socket.
var ErrNotRunning = errors.New("no server answers there")

// RefusedError is the answer of a server that cannot take its configuration file.
type RefusedError struct{ Text string } // the diagnostics, printed

// Error is Text.
func (e *RefusedError) Error() string { return e.Text }

// missingError is ErrNoRegistration as the server says it.
type missingError struct{ text string }

func (e *missingError) Error() string { return e.text }
func (e *missingError) Unwrap() error { return ErrNoRegistration }

// Client asks a server at its control socket.
type Client struct {
	path string
	http http.Client
}

// NewClient returns a client of the server whose control socket is at path.
func NewClient(path string) *Client {
	dialer := net.Dialer{Timeout: dialTimeout}
	return &Client{path: path, http: http.Client{
		Timeout: clientTimeout,
		Transport: &http.Transport{
			DisableKeepAlives: true, // one question each time it runs
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return dialer.DialContext(ctx, "unix", path)
			},
		},
	}}
}

// Status asks what the server is and does.
func (c *Client) Status(ctx context.Context) (Status, error) {
	var s Status
	err := c.ask(ctx, http.MethodGet, "/status", "application/json", &s)
	return s, err
}

// Samples asks for all metrics.
func (c *Client) Samples(ctx context.Context) ([]Sample, error) {
	var samples []Sample
	err := c.ask(ctx, http.MethodGet, "/metrics", "application/json", &samples)
	return samples, err
}

// Exposition asks for all metrics in Prometheus' text format.
func (c *Client) Exposition(ctx context.Context) ([]byte, error) {
	return c.do(ctx, http.MethodGet, "/metrics", "text/plain")
}

// SetLevel changes the log level and returns what it is now.
func (c *Client) SetLevel(ctx context.Context, level string) (string, error) {
	var now struct {
		Level string `json:"level"`
	}
	err := c.ask(ctx, http.MethodPut, "/log/"+url.PathEscape(level), "application/json", &now)
	return now.Level, err
}

// Reload has the server read its configuration again, and returns what has changed,
// one line each. A *RefusedError means that the file is wrong, and every error
// that nothing has changed.
func (c *Client) Reload(ctx context.Context) (string, error) {
	text, err := c.do(ctx, http.MethodPost, "/reload", "text/plain")
	return string(text), err
}

// Preview returns what Reload would change.
func (c *Client) Preview(ctx context.Context) (string, error) {
	text, err := c.do(ctx, http.MethodGet, "/reload", "text/plain")
	return string(text), err
}

func (c *Client) ask(ctx context.Context, method, path, accept string, into any) error {
	body, err := c.do(ctx, method, path, accept)
	if err != nil {
		return err
	}
	return c.decode(body, into)
}

func (c *Client) decode(body []byte, into any) error {
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("answer of %s: %w", c.path, err)
	}
	return nil
}

func (c *Client) do(ctx context.Context, method, path, accept string) ([]byte, error) {
	return c.send(ctx, method, path, accept, nil)
}

func (c *Client) send(ctx context.Context, method, path, accept string, content io.Reader) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://viaduct"+path, content)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", accept)
	resp, err := c.http.Do(req)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) {
		return nil, fmt.Errorf("%s: %w", c.path, ErrNotRunning)
	} else if err != nil {
		return nil, fmt.Errorf("%s: %w", c.path, errors.Unwrap(err)) // without the made-up URL
	}
	defer func() { _ = resp.Body.Close() }() // read to its end already
	body, err := io.ReadAll(io.LimitReader(resp.Body, answerBytes))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.path, err)
	}
	switch text := strings.TrimSpace(string(bytes.ToValidUTF8(body, []byte("?")))); resp.StatusCode {
	case http.StatusOK:
		return body, nil
	case http.StatusUnprocessableEntity:
		return nil, &RefusedError{text}
	case http.StatusNotFound:
		return nil, &missingError{text}
	default:
		return nil, errors.New(text)
	}
}
