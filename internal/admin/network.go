package admin

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// ListenLoopback opens the TCP address of an admin block. Only loopback will do:
// whoever has the token can turn the server.
func ListenLoopback(at netip.AddrPort) (net.Listener, error) {
	if !at.Addr().IsLoopback() {
		return nil, fmt.Errorf("admin: %s is no loopback address", at)
	}
	l, err := net.Listen("tcp", at.String())
	if err != nil {
		return nil, fmt.Errorf("admin: %w", err)
	}
	return l, nil
}

// guarded lets requests with the token through, and those that ask only whether
// the server lives and is ready. Digests are compared, so that neither the token
// nor its length shows in the time that it takes.
func guarded(token string, h http.Handler) http.Handler {
	want := sha256.Sum256([]byte(token))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		said, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		got := sha256.Sum256([]byte(said))
		open := r.Method == http.MethodGet && (r.URL.Path == "/livez" || r.URL.Path == "/readyz")
		if !open && (!ok || token == "" || subtle.ConstantTimeCompare(got[:], want[:]) != 1) {
			w.Header().Set("WWW-Authenticate", `Bearer realm="viaduct"`)
			reason := "the token is missing or wrong"
			if token == "" {
				reason = "without a token in the admin block only /livez and /readyz are answered"
			}
			http.Error(w, reason, http.StatusUnauthorized)
			return
		}
		h.ServeHTTP(w, r)
	})
}
