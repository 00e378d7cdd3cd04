package sip_test

import (
	"bytes"
	"net/netip"
	"regexp"
	"strconv"
	"strings"

	"viaduct/sip"
)

// The reference: the same grammar a second time, as regular expressions and
// string splitting, slow and without an index. The fuzz tests hold the two
// against each other.
const (
	reToken   = "[a-zA-Z0-9.!%*_+`'~-]+"
	reLWS     = `(?:[ \t]|\r\n[ \t])*`
	reLWS1    = `(?:[ \t]|\r\n[ \t])+`
	reQuoted  = `"(?:[^"\\\x00\r\n]|\r\n[ \t]|\\[^\r\n])*"`
	reEscaped = `%[0-9a-fA-F]{2}`
	reValue   = `[^\x00-\x20\x7f;,"<>\\]*`
	reParam   = reLWS + `;` + reLWS + "([a-zA-Z0-9.!%*_+`'~()\\[\\]/:&$-]+)(?:" + reLWS + `=` + reLWS + `(` + reQuoted + `|` + reValue + `))?`
	reParams  = `((?:` + reParam + `)*)`
	reHost    = `(\[[^\]]*\]|[a-zA-Z0-9._-]+)`
)

var (
	refParam     = regexp.MustCompile(`^(?s:` + reParam + `)`)
	refVia       = regexp.MustCompile(`^(?s:` + reLWS + reToken + reLWS + `/` + reLWS + reToken + reLWS + `/` + reLWS + reToken + reLWS1 + reHost + `(?:` + reLWS + `:` + reLWS + `([0-9]+))?` + reParams + reLWS + `)$`)
	refNameAddr  = regexp.MustCompile(`^(?s:` + reLWS + `(?:` + reQuoted + reLWS + `|(?:[^\x00-\x20\x7f;,"<>\\]|` + reLWS1 + `)*)<([^\x00-\x20\x7f>]*)>` + reParams + reLWS + `)$`)
	refAddrSpec  = regexp.MustCompile(`^(?s:` + reLWS + `([^\x00-\x20\x7f;,"<>\\?]+)` + reParams + reLWS + `)$`)
	refAbsolute  = regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9+.-]*:(?:[a-zA-Z0-9_.!~*'();/?:@&=+$,#\[\]-]|` + reEscaped + `)+$`)
	refSIP       = regexp.MustCompile(`^(?i:sips?):(?:((?:[a-zA-Z0-9_.!~*'()&=+$,;?/#-]|` + reEscaped + `)+)(?::(?:[a-zA-Z0-9_.!~*'()&=+$,-]|` + reEscaped + `)*)?@)?` + reHost + `(?::([0-9]+))?((?:;(?:[a-zA-Z0-9_.!~*'()\[\]/:&+$-]|` + reEscaped + `)(?:[a-zA-Z0-9_.!~*'()\[\]/:&+$=-]|` + reEscaped + `)*)*)(?:\?((?:[a-zA-Z0-9_.!~*'()\[\]/?:+$=&-]|` + reEscaped + `)+))?$`)
	refLabels    = regexp.MustCompile(`^(?:[a-zA-Z0-9_](?:[a-zA-Z0-9_-]*[a-zA-Z0-9_])?\.)*([a-zA-Z0-9_](?:[a-zA-Z0-9_-]*[a-zA-Z0-9_])?)\.?$`)
	refNumber    = regexp.MustCompile(`^[0-9]{1,10}$`)
	refDigits    = regexp.MustCompile(`^[0-9]+$`)
	refCSeq      = regexp.MustCompile(`^([0-9]{1,10})` + reLWS1 + `(` + reToken + `)$`)
	refCallID    = regexp.MustCompile(`^[^\x00-\x20\x7f]+$`)
	refHeader    = regexp.MustCompile(`^(` + reToken + `)[ \t]*:((?s:.*))$`)
	refRequest   = regexp.MustCompile(`^(` + reToken + `) ([^ ]+) (?i:SIP)/2\.0$`)
	refStatus    = regexp.MustCompile(`^(?i:SIP)/2\.0 [1-6][0-9][0-9](?: (?s:.*))?$`)
	refThreeDots = regexp.MustCompile(`:::([0-9.]+)$`)
)

func refNum(s string, max uint64) bool {
	n, err := strconv.ParseUint(s, 10, 64)
	return refNumber.MatchString(s) && err == nil && n <= max
}

func refHostOK(h string) bool {
	if in, ok := strings.CutPrefix(h, "["); ok {
		in, ok = strings.CutSuffix(in, "]")
		if m := refThreeDots.FindStringSubmatch(in); m != nil && strings.Count(in, "::") == 1 && strings.Contains(m[1], ".") {
			in = strings.Replace(in, ":::", "::", 1)
		}
		a, err := netip.ParseAddr(in)
		return ok && err == nil && a.Is6() && a.Zone() == ""
	}
	m := refLabels.FindStringSubmatch(h)
	if m == nil {
		return false
	}
	if refDigits.MatchString(m[1]) {
		a, err := netip.ParseAddr(h)
		return err == nil && a.Is4()
	}
	return true
}

// refParamList splits parameters that are known to match.
func refParamList(s string) (list [][2]string) {
	for {
		m := refParam.FindStringSubmatch(s)
		if m == nil {
			return list
		}
		list = append(list, [2]string{strings.ToLower(m[1]), m[2]})
		s = s[len(m[0]):]
	}
}

func refViaOK(s string) bool {
	m := refVia.FindStringSubmatch(s)
	if m == nil || !refHostOK(m[1]) || (m[2] != "" && !refNum(m[2], 65535)) {
		return false
	}
	list := refParamList(m[3])
	seen := map[string]int{}
	for _, p := range list {
		switch p[0] {
		case "rport", "branch", "received", "maddr", "ttl":
			seen[p[0]]++
		}
		if (p[0] == "rport" && p[1] != "" && !refNum(p[1], 65535)) || (p[0] == "ttl" && p[1] != "" && !refNum(p[1], 255)) ||
			(p[0] == "maddr" && p[1] != "" && !refHostOK(p[1])) || seen[p[0]] > 1 {
			return false
		}
	}
	return len(list)-seen["received"] <= sip.MaxParams
}

func refAbsoluteOK(s string) bool { return len(s) <= sip.MaxURI && refAbsolute.MatchString(s) }

func refURIOK(s string) bool {
	scheme, _, ok := strings.Cut(s, ":")
	if !ok || len(s) > sip.MaxURI {
		return false
	}
	if scheme = strings.Map(asciiLower, scheme); scheme != "sip" && scheme != "sips" { // EqualFold knows a long s

		return refAbsoluteOK(s)
	}
	m := refSIP.FindStringSubmatch(s)
	return m != nil && len(m[1]) <= sip.MaxUser && refHostOK(m[2]) && (m[3] == "" || refNum(m[3], 65535)) &&
		strings.Count(m[4], ";") <= sip.MaxParams && strings.Count(m[5], "&") < sip.MaxParams
}

func asciiLower(r rune) rune {
	if 'A' <= r && r <= 'Z' {
		return r + 'a' - 'A'
	}
	return r
}

// refAddress returns the URI of an address, whether it is in <>, and whether all is sound.
func refAddress(s string) (uri string, angle, ok bool) {
	m := refNameAddr.FindStringSubmatch(s)
	angle = m != nil
	if !angle {
		if m = refAddrSpec.FindStringSubmatch(s); m == nil {
			return "", false, false
		}
	}
	list := refParamList(m[2])
	tags := 0
	for _, p := range list {
		if p[0] == "tag" {
			if tags++; tags > 1 || len(p[1]) > sip.MaxTag {
				return "", false, false
			}
		}
	}
	return m[1], angle, refAbsoluteOK(m[1]) && len(list)-tags <= sip.MaxParams
}

// refSplit splits a list at its commas.
var refElement = regexp.MustCompile(`^(?s:(?:<[^>]*(?:>|$)|` + reQuoted + `|[^,"<])*)`)

func refSplit(s string) (list []string) {
	for {
		e := refElement.FindString(s)
		if len(e) < len(s) && s[len(e)] == '"' { // never closed
			e = s
		}
		list = append(list, strings.Trim(e, " \t\r\n"))
		if len(e) == len(s) {
			return list
		}
		s = s[len(e)+1:]
	}
}

type refMessage struct {
	request bool
	method  string
	uri     string
	lines   [][2]string // name, value
	wire    []byte
}

// refParse is Parse: ok is false for any fault.
func refParse(wire []byte) (r refMessage, ok bool) {
	for bytes.HasPrefix(wire, []byte("\r\n")) {
		wire = wire[2:]
	}
	r.wire = wire
	end := bytes.Index(wire, []byte("\r\n\r\n"))
	if len(wire) > sip.MaxMessage || end < 0 || end+4 > sip.MaxHeaderPart {
		return r, false
	}
	var lines []string
	for l := range strings.SplitSeq(string(wire[:end]), "\r\n") {
		if n := len(lines); n > 0 && (strings.HasPrefix(l, " ") || strings.HasPrefix(l, "\t")) {
			lines[n-1] += "\r\n" + l
			continue
		}
		lines = append(lines, l)
	}
	if !r.startLine(lines[0]) {
		return r, false
	}
	for _, l := range lines[1:] {
		m := refHeader.FindStringSubmatch(l)
		if m == nil || !refClean(strings.Trim(m[2], " \t\r\n"), l) {
			return r, false
		}
		r.lines = append(r.lines, [2]string{m[1], strings.Trim(m[2], " \t\r\n")})
	}
	if len(r.lines) > sip.MaxHeaders || r.doubled() {
		return r, false
	}
	if cl, ok := r.first(sip.ContentLength); ok {
		n, _ := strconv.Atoi(cl)
		if !refNum(cl, 1<<32-1) || end+4+n > len(wire) {
			return r, false
		}
		r.wire = wire[:end+4+n]
	}
	return r, true
}

// refClean wants no bare CR, LF, and NUL only escaped in quotes.
func refClean(value, line string) bool {
	folded := strings.NewReplacer("\r\n ", "", "\r\n\t", "").Replace(line)
	if strings.ContainsAny(folded, "\r\n") {
		return false
	}
	if !strings.Contains(line, "\x00") {
		return true
	}
	open := regexp.MustCompile(`^(?s:[^"\x00]*(?:` + reQuoted + `[^"\x00]*)*)$`)
	return open.MatchString(value)
}

func (r *refMessage) startLine(l string) bool {
	if strings.ContainsAny(l, "\r\n\x00") {
		return false
	}
	if len(l) >= 4 && strings.Map(asciiLower, l[:4]) == "sip/" {
		return refStatus.MatchString(l)
	}
	m := refRequest.FindStringSubmatch(l)
	if m == nil {
		return false
	}
	r.request, r.method, r.uri = true, m[1], m[2]
	return true
}

func (r *refMessage) all(id sip.HeaderID) (list []string) {
	for _, l := range r.lines {
		if sip.HeaderOf(strings.ToLower(l[0])) == id {
			list = append(list, l[1])
		}
	}
	return list
}

func (r *refMessage) first(id sip.HeaderID) (string, bool) {
	if all := r.all(id); len(all) > 0 {
		return all[0], true
	}
	return "", false
}

func (r *refMessage) doubled() bool {
	for _, id := range []sip.HeaderID{sip.From, sip.To, sip.CallID, sip.CSeq, sip.ContentLength, sip.MaxForwards} {
		if len(r.all(id)) > 1 && (r.request || id != sip.MaxForwards) {
			return true
		}
	}
	return false
}

func (r *refMessage) elements(id sip.HeaderID) (list []string) {
	for _, v := range r.all(id) {
		list = append(list, refSplit(v)...)
	}
	return list
}

// check is Check.
func (r *refMessage) check() bool {
	if r.request && !refURIOK(r.uri) {
		return false
	}
	for _, id := range []sip.HeaderID{sip.To, sip.From} {
		v, ok := r.first(id)
		uri, _, sound := refAddress(v)
		if !ok || !sound || r.request && !refURIOK(uri) {
			return false
		}
	}
	id, _ := r.first(sip.CallID)
	cseq, _ := r.first(sip.CSeq)
	m := refCSeq.FindStringSubmatch(cseq)
	if !refCallID.MatchString(id) || m == nil || !refNum(m[1], 1<<32-1) || (r.request && m[2] != r.method) {
		return false
	}
	vias := r.elements(sip.Via)
	if !r.request {
		return len(vias) > 0 && refViaOK(vias[0])
	}
	if len(vias) == 0 || len(vias) > sip.MaxVias {
		return false
	}
	for _, v := range vias {
		if !refViaOK(v) {
			return false
		}
	}
	if v, ok := r.first(sip.MaxForwards); ok && !refNum(v, 255) {
		return false
	}
	if v, ok := r.first(sip.MaxBreadth); ok && !refNum(v, 1<<31-1) {
		return false
	}
	routes := r.elements(sip.Route)
	for _, v := range routes {
		uri, angle, ok := refAddress(v)
		if !ok || !angle || !refURIOK(uri) {
			return false
		}
	}
	return len(routes) <= sip.MaxRoutes
}
