package config

import (
	"net/netip"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"viaduct/internal/flow"
	"viaduct/internal/policy"
	"viaduct/sip"
)

// uriUse is what a URI of the configuration is for.
type uriUse uint8

const (
	nextHop    uriUse = iota // it is sent to: a SIP URI, an address as host, UDP
	redirectTo               // it is told to the caller: any SIP or tel URI

	addressOfRecord // its bindings are looked up
	newRequestURI   // it replaces the Request-URI
)

// uri compiles an expression that yields a URI: a text in quotes, a field that
// holds a URI, or a choice between such.
func (l *loader) uri(e hclsyntax.Expression, use uriUse) (policy.Text, bool) {
	switch x := e.(type) {
	case *hclsyntax.ParenthesesExpr:
		return l.uri(x.Expression, use)
	case *hclsyntax.ConditionalExpr:
		if l.unsupportedForm(e) {
			return nil, false
		}
		c := l.expr(x.Condition)
		a, good := l.uri(x.TrueResult, use)
		b, too := l.uri(x.FalseResult, use)
		if !l.want(&c, anyOf(truth), "before ?") || !good || !too {
			return nil, false
		}
		return policy.Choose(c.truth, a, b), true
	case *hclsyntax.TemplateExpr:
		if l.unsupportedForm(e) {
			return nil, false
		}
		return l.uriTemplate(x.Parts, x.SrcRange, use)
	case *hclsyntax.TemplateWrapExpr:
		return l.uri(x.Wrapped, use)
	}
	v := l.expr(e)
	switch {
	case !l.want(&v, anyOf(text), "as a URI"):
		return nil, false
	case v.fixed:
		return v.text, l.checkURI(v.str, v.rng, use)
	case v.uri:
		return v.text, true
	}
	l.report(v.rng, `build it in a text, as in "sip:${dest.user}@192.0.2.1"`, "only request_uri, from.uri, to.uri and contact.uri hold a whole URI")
	return nil, false
}

// hole stands for a ${} in the fixed part of a URI. It is no character of a URI.
const hole = '\x00'

// uriTemplate compiles "sip:${dest.user}@192.0.2.1". What a message says is
// written so that it stays in the part of the URI where its ${} stands: nothing
// that a caller can write moves the call to another host.
func (l *loader) uriTemplate(parts []hclsyntax.Expression, rng hcl.Range, use uriUse) (policy.Text, bool) {
	var frame strings.Builder
	var values []value
	for _, p := range parts {
		v := l.expr(p)
		if !l.want(&v, textual|anyOf(number), "in a URI") {
			return nil, false
		}
		if v.fixed {
			t := string(v.asText()(new(policy.Facts)))
			if strings.IndexByte(t, hole) >= 0 {
				l.report(rng, "", "a URI has no control characters")
				return nil, false
			}
			frame.WriteString(t)
			continue
		}
		frame.WriteByte(hole)
		values = append(values, v)
	}
	whole := frame.String()
	if len(values) == 0 {
		return policy.Const(whole), l.checkURI(whole, rng, use)
	}
	f, ok := splitFrame(whole)
	if !ok {
		l.report(rng, `as in "sip:${dest.user}@192.0.2.1"`, "a URI begins with its scheme")
		return nil, false
	}
	if !l.checkURI(f.example(), rng, use, f.hostHoles()) {
		return nil, false
	}
	return f.build(values), true
}

// uriFrame is the fixed part of a URI with holes, cut into its parts.
type uriFrame struct {
	scheme string // with the colon
	user   string // with the @, or ""
	host   string // with the port
	rest   string // parameters
}

func splitFrame(s string) (f uriFrame, ok bool) {
	n := strings.IndexByte(s, ':')
	if n <= 0 || strings.IndexByte(s[:n], hole) >= 0 {
		return f, false
	}
	f.scheme, s = s[:n+1], s[n+1:]
	if n := strings.IndexByte(s, '@'); n >= 0 {
		f.user, s = s[:n+1], s[n+1:]
	}
	if n := strings.IndexAny(s, ";?"); n >= 0 {
		f.rest, s = s[n:], s[:n]
	}
	f.host = s
	return f, true
}

// example is the URI with something harmless in its holes, to check the rest.
func (f *uriFrame) example() string {
	host := strings.ReplaceAll(f.host, string(hole), "1")
	if name, port, ok := strings.Cut(f.host, ":"); name == string(hole) {
		host = "host.invalid"
		if ok {
			host += ":" + strings.ReplaceAll(port, string(hole), "1")
		}
	}
	return f.scheme + strings.ReplaceAll(f.user, string(hole), "1") + host + strings.ReplaceAll(f.rest, string(hole), "1")
}

// hostHoles reports whether the host depends on the message.
func (f *uriFrame) hostHoles() bool {
	name, _, _ := strings.Cut(f.host, ":")
	return strings.IndexByte(name, hole) >= 0
}

// build joins the parts. A user part that turns out to be empty goes with its @.
func (f *uriFrame) build(values []value) policy.Text {
	fill := func(s string, as func(policy.Text) policy.Text) policy.Text {
		var texts []policy.Text
		for i, piece := range strings.Split(s, string(hole)) {
			if i > 0 {
				texts = append(texts, as(values[0].asText()))
				values = values[1:]
			}
			if piece != "" {
				texts = append(texts, policy.Const(piece))
			}
		}
		return policy.Concat(texts...)
	}
	parts := []policy.Text{policy.Const(f.scheme)}
	if f.user != "" {
		parts = append(parts, policy.UserInfo(fill(strings.TrimSuffix(f.user, "@"), policy.AsUser)))
	}
	parts = append(parts, fill(f.host, policy.AsHost))
	if f.rest != "" {
		parts = append(parts, fill(f.rest, policy.AsParam))
	}
	return policy.Concat(parts...)
}

// checkURI reports what is wrong with a URI of the configuration, and notes the
// address of a next hop as one that may be spoken to.
func (l *loader) checkURI(s string, rng hcl.Range, use uriUse, anyHost ...bool) bool {
	u, err := sip.ParseURI([]byte(s))
	switch {
	case err != nil || u.Scheme == sip.OtherScheme || u.IsSIP() && len(u.Host) == 0:
		l.report(rng, `as in "sip:192.0.2.1:5060"`, "%q is no SIP URI", shown(s))
	case use == redirectTo:
		return true
	case use == newRequestURI && u.Headers == nil && (u.IsSIP() || u.Scheme == sip.TEL), use == addressOfRecord && u.Headers == nil && u.IsSIP():
		return true
	case use == addressOfRecord && !u.IsSIP():
		l.report(rng, `as in "sip:alice@example.com"`, "a %s: URI is no address of record", u.SchemeName)
	case !u.IsSIP():
		l.report(rng, `as in "sip:+33612345678@192.0.2.1"`, "a call cannot be sent to a %s: URI", u.SchemeName)
	case u.Scheme == sip.SIPS && !l.checkTransport(&u, "tls", rng): // whatever else its transport says
	case u.Headers != nil:
		l.report(rng, "", "a URI to send to has no header fields after ?")
	default:
		return l.checkHop(&u, rng, anyHost...)
	}
	return false
}

// checkHop checks where a URI leads: transport, host and maddr. A name is looked up
// when a call needs it.
func (l *loader) checkHop(u *sip.URI, rng hcl.Range, anyHost ...bool) bool {
	if t := u.Transport(); t != nil && u.Scheme == sip.SIP && !l.checkTransport(u, string(t), rng) {
		return false
	}
	if m := u.MAddr(); m != nil {
		if a, ok := sip.HostAddr(m); ok {
			l.named = append(l.named, netip.PrefixFrom(a, a.BitLen()))
		}
	}
	if len(anyHost) > 0 && anyHost[0] {
		return true
	}
	if a, ok := u.Addr(); ok { // where a name leads is held against destinations
		l.named = append(l.named, netip.PrefixFrom(a, a.BitLen()))
	}
	return true
}

// checkTransport checks the transport parameter of a URI to send to.
func (l *loader) checkTransport(u *sip.URI, word string, rng hcl.Range) bool {
	p := flow.ParseProtocol([]byte(word))
	switch _, numeric := u.Addr(); {
	case p == flow.UDP:
	case p == flow.WS, p == flow.WSS:
		l.report(rng, "send = location finds it", "a WebSocket is opened by its client, nobody can connect to it")
		return false
	case p == flow.None:
		l.report(rng, "leave ;transport= out", notYet, "transport="+word)
		return false
	case !l.listensOn(p):
		word = strings.ToLower(word)
		l.report(rng, `add listen "`+word+`" { address = "…" }: connections are made in its name`, "no listener speaks %s", word)
		return false
	case p == flow.TLS && numeric: // RFC 5922 §7.1
		l.report(rng, `as in "sip:pbx.example.com;maddr=192.0.2.1;transport=tls"`, "a certificate proves a name, not an address")
		return false
	}
	return true
}

// shown is s as a message shows it.
func shown(s string) string { return strings.ReplaceAll(s, string(hole), "…") }
