package config

import (
	"errors"
	"io/fs"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"viaduct/internal/certificate"
	"viaduct/internal/clock"
	"viaduct/internal/flow"
	"viaduct/internal/proxy"
	"viaduct/internal/transport"
	"viaduct/sip"
)

// Which attributes of a listen block are for which transports.
var (
	secureWords = []string{"certificate", "key", "client_ca", "verify_client"} // tls, wss
	dialWords   = []string{"ca"}                                               // tls
	recordWords = []string{"transport_tls"}                                    // tls
	pageWords   = []string{"origins", "files", "session_cookie", "session"}    // ws, wss
	streamWords = []string{"proxy_protocol"}                                   // all but udp
)

// streamBlock is a listen block with its sockets.
type streamBlock struct {
	block *block
	index []flow.Listener
	to    []advertised
}

// streams reads what listen blocks say of networks and connections. It comes after
// the networks, which a list of proxies may name.
func (l *loader) streams() {
	for i := range l.streamBlocks {
		s := &l.streamBlocks[i]
		use := l.settings(s.block, flow.ParseProtocol([]byte(s.block.label)))
		to := l.advertisedTo(s.to)
		l.provesWhatItShows(s, &use, to)
		for _, at := range s.index {
			l.config.Snapshot.Listeners[at].AdvertiseTo = to
			for len(l.config.Streams) <= int(at) {
				l.config.Streams = append(l.config.Streams, transport.Settings{})
			}
			l.config.Streams[at] = use
		}
	}
}

// provesWhatItShows holds what a TLS listener advertises against its certificates (RFC
// 5922 §7.5): by any other name nobody who checks it comes back from Record-Route.
func (l *loader) provesWhatItShows(s *streamBlock, use *transport.Settings, to []proxy.Advertised) {
	a := s.block.attr("advertise")
	if a == nil || use.TLS == nil || len(s.index) == 0 || l.config.Snapshot.Listeners[s.index[0]].Protocol != flow.TLS {
		return
	}
	proven := use.TLS.Identities()
	for _, shown := range append(to, proxy.Advertised{As: l.config.Snapshot.Listeners[s.index[0]].Advertise}) {
		u, err := sip.ParseURI([]byte("sip:" + shown.As))
		if _, literal := u.Addr(); err != nil || literal || certificate.Names(proven, string(u.Host)) {
			continue
		}
		l.report(a.Expr.Range(), "Record-Route shows it, and who comes back checks it (RFC 5922 §7.5)",
			"no certificate of this listener is for %q: they are for %s", u.Host, strings.Join(quoted(proven), ", "))
	}
}

func (l *loader) settings(b *block, p flow.Protocol) (use transport.Settings) {
	l.only(b, secureWords, p.Secure(), `listen "tls" and listen "wss"`)
	l.only(b, dialWords, p == flow.TLS, `listen "tls": connections to others are made in its name`)
	l.only(b, recordWords, p == flow.TLS, `listen "tls": what its Record-Route says`)
	page := p == flow.WS || p == flow.WSS
	l.only(b, pageWords, page, `listen "ws" and listen "wss"`)
	l.only(b, streamWords, p.Reliable(), "transports with connections")
	if p.Secure() {
		use.TLS = l.secure(b, p)
	}
	if page {
		use.WebSocket = &transport.WebSocket{Origins: l.origins(b.attr("origins")), Files: l.directory(b.attr("files"))}
		use.WebSocket.Cookie, use.WebSocket.Session = l.session(b)
	}
	if a := b.attr("proxy_protocol"); a != nil && p.Reliable() {
		use.Proxies = l.networkList(a).All()
	}
	return use
}

// only reports attributes that mean nothing for a transport.
func (l *loader) only(b *block, words []string, fits bool, where string) {
	for _, w := range words {
		if a := b.attr(w); a != nil && !fits {
			l.report(a.NameRange, "it is for "+where, "%s means nothing for %s", w, b.label)
		}
	}
}

// secure reads the pairs of a listener and whom it trusts. Each pair is tried by
// itself, so that everything wrong is told at once, where it stands.
func (l *loader) secure(b *block, p flow.Protocol) *transport.TLS {
	chains, keys := l.texts(b.attr("certificate")), l.texts(b.attr("key"))
	cfg := transport.TLSConfig{
		Disk:    certificate.Disk{ReadFile: l.opts.ReadFile},
		Fits:    certificate.Fits{Domains: l.provable(), Wildcards: p == flow.WSS},
		Clients: l.anchors(b.attr("client_ca")),
		Servers: l.anchors(b.attr("ca")),
		Require: l.requires(b),
	}
	switch {
	case b.attr("certificate") == nil || b.attr("key") == nil:
		l.report(b.rng, `such as certificate = "/etc/viaduct/fullchain.pem" and key = "/etc/viaduct/privkey.pem"`, "listen %q needs a certificate and its key", b.label)
		return nil
	case len(chains) == 0 || len(keys) == 0: // that was reported, or the list is empty
		l.report(b.rng, "", "listen %q needs a certificate and its key", b.label)
		return nil
	case len(chains) != len(keys):
		l.report(b.attr("key").Expr.Range(), "one key for each certificate, in the same order", "%d certificates and %d keys", len(chains), len(keys))
		return nil
	}
	good := true
	for i := range chains {
		f := certificate.Files{Certificate: l.fileName(chains[i].str), Key: l.fileName(keys[i].str)}
		cfg.Files = append(cfg.Files, f)
		good = l.pair(&cfg, f, chains[i].rng, keys[i].rng) && good
	}
	if !good {
		return nil
	}
	t, err := transport.NewTLS(cfg)
	if err != nil { // a file has changed since
		l.report(b.rng, "", "%s", err)
	}
	return t
}

// pair tries one pair.
func (l *loader) pair(cfg *transport.TLSConfig, f certificate.Files, chain, key hcl.Range) bool {
	set, err := certificate.Load(cfg.Disk, []certificate.Files{f}, cfg.Fits, clock.Wall(clock.Now()))
	if err == nil {
		l.input("certificate", f.Certificate, string(set.First().Certificate[0]))
		return true
	}
	var e *certificate.Error
	switch {
	case !errors.As(err, &e):
		l.report(chain, "", "%s", err)
	case e.Key:
		l.report(key, "", "%s: %s", e.File, e.Reason)
	default:
		l.report(chain, "", "%s: %s", e.File, e.Reason)
	}
	return false
}

// provable are the names of this server that a certificate can be for: domains
// and host names, no addresses (RFC 5922 §6).
func (l *loader) provable() []string {
	return slices.DeleteFunc(slices.Concat(l.config.Domains, l.names), func(s string) bool {
		_, err := netip.ParseAddr(strings.Trim(s, "[]"))
		return err == nil
	})
}

// asksClients reports whether a listener of the file asks its clients for
// certificates.
func (l *loader) asksClients() bool {
	return slices.ContainsFunc(l.streamBlocks, func(s streamBlock) bool { return s.block.attr("client_ca") != nil })
}

// requires reads whether a client must have a certificate.
func (l *loader) requires(b *block) bool {
	a := b.attr("verify_client")
	word, ok := l.choice(a, "optional", "required")
	if ok && b.attr("client_ca") == nil {
		l.report(a.NameRange, `client_ca = "/etc/viaduct/clients.pem" says whose certificates count`, "verify_client needs client_ca")
	}
	return ok && word == "required"
}

// anchors reads a file of certificates, nil for none.
func (l *loader) anchors(a *hclsyntax.Attribute) *certificate.Trust {
	s, rng, ok := l.constant(a)
	if !ok {
		return nil
	}
	path := l.fileName(s)
	pem, err := l.opts.ReadFile(path)
	if err != nil {
		l.report(rng, "", "%s cannot be read: %s", path, reason(err))
		return nil
	}
	t, err := certificate.NewTrust(pem)
	if err != nil {
		l.report(rng, "", "%s: %s", path, err)
		return nil
	}
	l.input("certificate", path, string(pem))
	return t
}

// origins reads the pages that may open a WebSocket.
func (l *loader) origins(a *hclsyntax.Attribute) (list []string) {
	for _, v := range l.texts(a) {
		u, err := url.Parse(v.str)
		if v.str != "*" && (err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || v.str != u.Scheme+"://"+u.Host) {
			l.report(v.rng, `as in "https://phone.example.com", or "*" for all`, "%q is no origin", v.str)
			continue
		}
		list = append(list, v.str)
	}
	return list
}

// session reads the name of the session cookie, and whether a WebSocket needs one.
func (l *loader) session(b *block) (cookie string, required bool) {
	cookie, rng, ok := l.constant(b.attr("session_cookie"))
	if ok && (cookie == "" || strings.ContainsFunc(cookie, notToken)) { // RFC 6265 §4.1.1
		l.report(rng, "", "%q cannot be the name of a cookie", cookie)
	}
	a := b.attr("session")
	word, chosen := l.choice(a, "optional", "required")
	if chosen && b.attr("session_cookie") == nil {
		l.report(a.NameRange, `session_cookie = "sid" says which cookie of the page it is`, "session needs session_cookie")
	}
	return cookie, chosen && word == "required"
}

// directory reads the name of one that is there.
func (l *loader) directory(a *hclsyntax.Attribute) string {
	s, rng, ok := l.constant(a)
	if !ok {
		return ""
	}
	path := l.fileName(s)
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		l.report(rng, "", "there is no directory %s", path)
	case err != nil:
		l.report(rng, "", "%s cannot be read: %s", path, reason(err))
	case !info.IsDir():
		l.report(rng, "", "%s is no directory", path)
	}
	return path
}

// fileName is a path relative to the configuration file.
func (l *loader) fileName(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(filepath.Dir(l.name), path)
}
