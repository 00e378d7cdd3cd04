package config

import (
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"

	"viaduct/internal/auth"
	"viaduct/internal/policy"
	"viaduct/sip"
)

// Users is a users block: where the users of a realm are found. One of File, HTTP
// and SQL says it.
type Users struct {
	Realm *policy.Realm
	File  string     // path of a file of users, relative to where the process runs
	HTTP  *HTTPUsers // asked one by one
	SQL   bool       // the users in the store (Config.Store)
}

// HTTPUsers is an HTTP service that knows users.
type HTTPUsers struct {
	URL     string
	Token   string        // shown to the service; "" for none
	CA      string        // PEM of the authorities that count; "" for those of the system
	Timeout time.Duration // 300ms
	Cache   time.Duration // 60s: how long an answer is good
}

// maxRealms is how many realms a request can be marked as proven for: a bit each.
const maxRealms = 64

// readUsers reads all users blocks.
func (l *loader) readUsers(file *block, server *block) {
	shown := map[string]hcl.Range{}
	file.each(usersSpec, func(b *block) {
		if _, twice := l.realms[b.label]; twice {
			l.report(b.labelR, "", "second users named %q", b.label)
			return
		}
		if len(l.config.Users) == maxRealms {
			l.report(b.labelR, "", "more than %d users blocks", maxRealms)
			return
		}
		r := &policy.Realm{Name: b.label, ID: len(l.config.Users), Algorithms: l.algorithms(b)}
		l.realms[b.label] = r
		u := Users{Realm: r}
		l.realm(&u, b, shown)
		l.quality(r, b)
		l.userSource(&u, b, server)
		l.config.Users = append(l.config.Users, u)
		l.config.Snapshot.Program.Realms = append(l.config.Snapshot.Program.Realms, r)
	})
}

// realm reads what a challenge shows.
func (l *loader) realm(u *Users, b *block, shown map[string]hcl.Range) {
	s, rng, ok := l.constant(b.attr("realm"))
	if !ok {
		return
	}
	switch old, twice := shown[s]; {
	case s == "" || len(s) > sip.MaxUser || !oneLine(s):
		l.report(rng, `a domain is best, as in "example.com"`, "a realm is one line of 1 to %d bytes", sip.MaxUser)
	case hasColon(s):
		l.report(rng, "", "a realm has no colon: it separates what a password is hashed with")
	case twice:
		l.report(rng, "a phone could not tell whose password is asked for", "a second realm %q; the first is in line %d", s, old.Start.Line)
	}
	shown[s] = rng
	u.Realm.Realm, u.Realm.Domains = s, l.ours
	if len(l.config.Domains) > 0 {
		u.Realm.Home = []byte(l.config.Domains[0])
	}
	// auth.RealmConfig: the alice of one domain must not pass for that of another
	if one := policy.NewDomains(s); l.isDomain(s) {
		u.Realm.Domains, u.Realm.Home = one, []byte(s)
	}
}

func hasColon(s string) bool {
	for _, c := range s {
		if c == ':' {
			return true
		}
	}
	return false
}

// isDomain reports whether s is one of the domains of the file.
func (l *loader) isDomain(s string) bool {
	return policy.NewDomains(l.config.Domains...).Contains([]byte(s))
}

// algorithms reads what is offered, SHA-256 unless the file says otherwise.
func (l *loader) algorithms(b *block) []auth.Algorithm {
	a := b.attr("algorithms")
	if a == nil {
		return []auth.Algorithm{auth.SHA256}
	}
	known := []string{auth.SHA256.String(), auth.SHA512256.String(), auth.MD5.String()}
	var list []auth.Algorithm
	for _, v := range l.texts(a) {
		x := auth.ParseAlgorithm(v.str)
		if x == auth.NoAlgorithm {
			l.report(v.rng, didYouMeanOr(v.str, quoted(known)), "unknown algorithm %q", v.str)
			continue
		}
		if slices.Contains(list, x) {
			l.report(v.rng, "", "%s is offered twice", x)
			continue
		}
		list = append(list, x)
	}
	if len(listOf(a.Expr)) == 0 {
		l.report(a.Expr.Range(), allowedHere(quoted(known)), "algorithms is empty")
	}
	return list
}

// quality reads how answers are protected (RFC 7616 §3.3), "auth" unless the file
// says otherwise. auth-int is offered last, wherever it stands.
func (l *loader) quality(r *policy.Realm, b *block) {
	a := b.attr("qop")
	if a == nil {
		return
	}
	known := []string{"auth", "auth-int", "none"}
	basic := false
	for _, v := range l.texts(a) {
		switch v.str {
		case "auth":
			basic = true
		case "auth-int":
			r.AuthInt = true
		case "none":
			r.NoQop = true
		default:
			l.report(v.rng, didYouMeanOr(v.str, quoted(known)), "unknown qop %q", v.str)
			return
		}
	}
	if !basic {
		l.report(a.Expr.Range(), `write qop = ["auth", …]`, "qop needs \"auth\": it is what every phone knows (RFC 3261 §22.4)")
	}
}

// userSource reads where the users are.
func (l *loader) userSource(u *Users, b *block, server *block) {
	file, web, sql := b.attr("file"), b.first(usersHTTPSpec), b.first(usersSQLSpec)
	count := 0
	for _, there := range []bool{file != nil, web != nil, sql != nil} {
		if there {
			count++
		}
	}
	switch {
	case count == 0 && !l.hasLater(b):
		l.report(b.rng, `write file = "…", http { … } or sql {}`, "users %q has no users", b.label)
	case count > 1:
		l.report(b.rng, "write one of file, http { … } and sql {}", "users %q come from %d places", b.label, count)
	case file != nil:
		if s, rng, ok := l.constant(file); ok && s == "" {
			l.report(rng, `as in "/etc/viaduct/staff.users"`, "file needs a path")
		} else if ok {
			u.File = l.beside(s)
		}
	case sql != nil:
		u.SQL = true
		if server.attr("store") == nil {
			l.report(sql.rng, `write server { store = "/var/lib/viaduct" }`, "the users of sql {} are in the store, and there is none")
		}
	case web != nil:
		u.HTTP = l.usersHTTP(web)
	}
}

func (l *loader) usersHTTP(b *block) *HTTPUsers {
	h := &HTTPUsers{Timeout: 300 * time.Millisecond, Cache: time.Minute}
	if s, rng, ok := l.constant(b.attr("url")); ok {
		x, err := url.Parse(s)
		if err != nil || x.Scheme != "http" && x.Scheme != "https" || x.Host == "" {
			l.report(rng, `as in "https://users.internal/ha1"`, "url needs an http or https URL")
		}
		h.URL = s
	}
	if s, rng, ok := l.constant(b.attr("token")); ok {
		if s == "" || !oneLine(s) {
			l.report(rng, "", "a token is one line of text")
		}
		h.Token = s
	}
	if a := b.attr("ca"); l.anchors(a) != nil {
		s, _, _ := l.constant(a)
		pem, _ := l.opts.ReadFile(l.fileName(s)) // anchors has just read it
		h.CA = string(pem)
		if !strings.HasPrefix(h.URL, "https:") {
			l.report(a.NameRange, "", "ca is for an https URL")
		}
	}
	if a := b.attr("timeout"); a != nil {
		h.Timeout, _ = l.duration(a, 10*time.Millisecond, 5*time.Second, "")
	}
	if a := b.attr("cache"); a != nil {
		h.Cache, _ = l.duration(a, time.Second, 24*time.Hour, "")
	}
	return h
}
