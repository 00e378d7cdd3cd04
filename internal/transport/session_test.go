package transport

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"viaduct/internal/flow"
)

// RFC 7118 §7: the session cookie of the page is read, and a WebSocket without one is
// refused with 401 where that is asked for.
//
// Proves: WS-13
func TestSessionCookies(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", maxSession+1)
	for _, c := range []struct {
		name, cookie, header, want string
		required                   bool
		status                     int
	}{
		{"a session", "sid", "lang=nl; sid=abc; x=y", "abc", true, 101},
		{"the first of two", "sid", "sid=near; sid=far", "near", true, 101},
		{"none, and none is needed", "sid", "lang=nl", "", false, 101},
		{"a cookie that nobody asks for", "", "sid=abc", "", false, 101},
		{"none", "sid", "", "", true, 401},
		{"another one", "sid", "SID=abc", "", true, 401},
		{"an empty one", "sid", "sid=", "", true, 401},
		{"one that is too long", "sid", "sid=" + long, "", true, 401},
		{"one that is too long, and none is needed", "sid", "sid=" + long, "", false, 101},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := newHallOf(t, flow.WS, Settings{WebSocket: &WebSocket{Cookie: c.cookie, Session: c.required}}, StreamLimits{}, nil)
			header := http.Header{}
			if c.header != "" {
				header.Set("Cookie", c.header)
			}
			if c.status != 101 {
				x := h.caller()
				put(t, x, upgradeRequest([]string{"sip"}, header))
				r := response(t, x)
				if !strings.HasPrefix(r, fmt.Sprintf("HTTP/1.1 %d ", c.status)) || !strings.Contains(r, "WWW-Authenticate: Cookie realm=\"sip\", cookie-name=\"sid\"\r\n") {
					t.Errorf("got %q", r)
				}
				h.until("a count", func() bool { return h.tcp.Counters().Refused[RefusedSession] == 1 })
				return
			}
			x, _, err := h.browser(nil, header, "sip")
			if err != nil {
				t.Fatal(err)
			}
			tell(t, x, websocket.MessageText, text(1, 0))
			if got := h.from(1).Session.String(); got != c.want {
				t.Errorf("the session is %q, want %q", got, c.want)
			}
		})
	}
}
