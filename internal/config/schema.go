package config

import (
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// blockSpec is one kind of block. A word of the language that this version does
// not have yet is a row with later set.
type blockSpec struct {
	name   string
	label  string // what the label says, "" for no label
	once   bool   // at most one
	later  bool
	values []string // what the label can be, when that is limited
	attrs  []attrSpec
	blocks []*blockSpec
}

// attrSpec is one attribute of a block.
type attrSpec struct {
	name     string
	required bool
	hint     string // where it is required and is not there
	later    bool
}

var (
	targetSpec = &blockSpec{
		name: "target", label: "URI",
		attrs:  []attrSpec{{name: "q"}, {name: "name"}, {name: "weight", later: true}, {name: "priority", later: true}, {name: "set", later: true}},
		blocks: []*blockSpec{{name: "header", later: true}},
	}

	serverSpec = &blockSpec{
		name: "server", once: true,
		attrs: []attrSpec{
			{name: "name"},
			{name: "domains"},
			{name: "mode"},
			{name: "secret"},
			{name: "store"},
			{name: "trust"},
			{name: "redirects"},
			{name: "stray_responses"},
			{name: "large_requests"},
			{name: "drain"},
			{name: "resolvers"},
			{name: "server_header"},
			{name: "log"},
			{name: "timezone"},
		},
		blocks: []*blockSpec{
			{name: "timers", once: true, attrs: settingAttrs(timerSettings)},
			{name: "limits", once: true, attrs: settingAttrs(limitSettings)},
			{name: "identity", once: true, attrs: []attrSpec{{name: "assert"}, {name: "withhold"}, {name: "privacy"}}},
		},
	}

	destinationsSpec = &blockSpec{name: "destinations", once: true, attrs: []attrSpec{{name: "allow"}, {name: "deny"}}}

	listenSpec = &blockSpec{
		name: "listen", label: "transport", values: protocolWords,
		attrs: []attrSpec{
			{name: "address", required: true},
			{name: "name"},
			{name: "advertise"},
			{name: "mode"},
			{name: "certificate"},
			{name: "key"},
			{name: "client_ca"},
			{name: "verify_client"},
			{name: "ca"},
			{name: "transport_tls"},
			{name: "origins"},
			{name: "files"},
			{name: "session_cookie"},
			{name: "session"},
			{name: "proxy_protocol"},
		},
	}

	networkSpec = &blockSpec{name: "network", label: "name", attrs: []attrSpec{{name: "cidrs", required: true}}}

	groupSpec = &blockSpec{
		name: "group", label: "name",
		attrs:  []attrSpec{{name: "balance"}, {name: "max_calls", later: true}},
		blocks: []*blockSpec{targetSpec, {name: "health", later: true}, {name: "eject", later: true}, {name: "failover", later: true}},
	}

	usersHTTPSpec = &blockSpec{name: "http", once: true, attrs: []attrSpec{{name: "url", required: true}, {name: "token"}, {name: "ca"}, {name: "timeout"}, {name: "cache"}}}
	usersSQLSpec  = &blockSpec{name: "sql", once: true, attrs: []attrSpec{{name: "url", later: true}, {name: "query", later: true}}}

	usersSpec = &blockSpec{
		name: "users", label: "name",
		attrs:  []attrSpec{{name: "realm", required: true}, {name: "file"}, {name: "algorithms"}, {name: "qop"}},
		blocks: []*blockSpec{usersHTTPSpec, usersSQLSpec},
	}

	tableSpec = &blockSpec{
		name: "table", label: "name",
		attrs: []attrSpec{
			{name: "key", required: true},
			{name: "match"},
			{name: "rows"},
			{name: "file"},
			{name: "refresh", later: true},
			{name: "notify", later: true},
			{name: "max_shrink", later: true},
		},
		blocks: []*blockSpec{{name: "sql", later: true}, {name: "http", later: true}},
	}

	editAttrs = []attrSpec{{name: "when"}, {name: "set"}, {name: "add"}, {name: "remove"}}

	denySpec           = &blockSpec{name: "deny", attrs: []attrSpec{{name: "when", required: true, hint: "a rule that refuses all that it takes ends with reply"}, {name: "reply"}}}
	headerSpec         = &blockSpec{name: "header", label: "name", attrs: editAttrs}
	responseHeaderSpec = &blockSpec{name: "response_header", label: "name", attrs: editAttrs}

	registerSpec = &blockSpec{
		name: "register", once: true,
		attrs: []attrSpec{
			{name: "max_contacts"},
			{name: "expires"},
			{name: "on_disconnect"},
			{name: "keepalive"},
			{name: "service_route"},
			{name: "any_path"},
			{name: "gruu"},
		},
	}

	// sendAttrs are the words that go with send.
	sendAttrs = []attrSpec{
		{name: "ring"},
		{name: "redirects"},
		{name: "from"},
		{name: "in_dialog"},
		{name: "record_route"},
		{name: "path"},
	}

	otherwiseSpec = newOtherwiseSpec()

	ruleSpec = &blockSpec{
		name: "rule", label: "name",
		attrs: slices.Concat([]attrSpec{
			{name: "when"},
			{name: "let"},
			{name: "limit", later: true},
			{name: "authenticate"},
			{name: "identity"},
			{name: "set"},
			{name: "ask", later: true},
			{name: "send"},
			{name: "reply"},
			{name: "drop"},
			{name: "redirect"},
			{name: "status"},
			{name: "jump"},
			{name: "next"},
			{name: "media", later: true},
		}, sendAttrs),
		blocks: []*blockSpec{
			denySpec, headerSpec, responseHeaderSpec, registerSpec, otherwiseSpec,
			{name: "media", later: true},
			{name: "failover", later: true},
			{name: "choose", later: true},
		},
	}

	routeSpec = &blockSpec{name: "route", label: "name", blocks: []*blockSpec{ruleSpec}}

	fileSpec = &blockSpec{
		blocks: []*blockSpec{
			serverSpec, adminSpec, destinationsSpec, listenSpec, networkSpec, usersSpec, tableSpec, groupSpec, ruleSpec, routeSpec,
			{name: "limit", later: true},
			{name: "hook", later: true},
			{name: "media", later: true},
			{name: "records", later: true},
			{name: "test", later: true},
		},
	}
)

// newOtherwiseSpec makes a block that may hold itself.
func newOtherwiseSpec() *blockSpec {
	s := &blockSpec{
		name:   "otherwise",
		attrs:  slices.Concat([]attrSpec{{name: "on"}, {name: "send"}, {name: "reply"}, {name: "redirect"}, {name: "status"}}, sendAttrs),
		blocks: []*blockSpec{{name: "failover", later: true}},
	}
	s.blocks = append(s.blocks, s)
	return s
}

// notYet is the message for a word of the language that this version does not have.
const notYet = "%s is not supported by this version"

// block is a block that was checked against its blockSpec: it holds known
// attributes and blocks only.
type block struct {
	spec   *blockSpec
	rng    hcl.Range // its header
	label  string
	labelR hcl.Range
	attrs  map[string]*hclsyntax.Attribute
	blocks []*block
}

// attr returns an attribute, or nil. The zero block has none.
func (b *block) attr(name string) *hclsyntax.Attribute {
	if b == nil {
		return nil
	}
	return b.attrs[name]
}

// first returns the first inner block of a kind, or nil.
func (b *block) first(spec *blockSpec) *block {
	if b != nil {
		for _, x := range b.blocks {
			if x.spec == spec {
				return x
			}
		}
	}
	return nil
}

// named returns the first inner block by the name of its kind, or nil.
func (b *block) named(kind string) *block {
	if b != nil {
		for _, x := range b.blocks {
			if x.spec.name == kind {
				return x
			}
		}
	}
	return nil
}

// each calls f for all inner blocks of a kind, in file order.
func (b *block) each(spec *blockSpec, f func(*block)) {
	for _, x := range b.blocks {
		if x.spec == spec {
			f(x)
		}
	}
}

func (s *blockSpec) attrNamed(name string) *attrSpec {
	for i := range s.attrs {
		if s.attrs[i].name == name {
			return &s.attrs[i]
		}
	}
	return nil
}

func (s *blockSpec) blockNamed(name string) *blockSpec {
	for _, b := range s.blocks {
		if b.name == name {
			return b
		}
	}
	return nil
}

// words are the names of everything that may stand in the block now.
func (s *blockSpec) words() []string {
	var list []string
	for _, a := range s.attrs {
		if !a.later {
			list = append(list, a.name)
		}
	}
	for _, b := range s.blocks {
		if !b.later {
			list = append(list, b.name)
		}
	}
	return list
}

// where names the block in a message: `in server`, or "here" at the top.
func (s *blockSpec) where() string {
	if s.name == "" {
		return "at the top of the file"
	}
	return "in " + s.name
}

// check reads body against spec and reports all that does not belong there.
func (l *loader) check(body *hclsyntax.Body, spec *blockSpec, rng hcl.Range) *block {
	b := &block{spec: spec, rng: rng, attrs: map[string]*hclsyntax.Attribute{}}
	for name, a := range body.Attributes {
		l.checkAttr(b, name, a)
	}
	for _, x := range body.Blocks {
		if inner := l.checkBlock(spec, x, b); inner != nil {
			b.blocks = append(b.blocks, inner)
		}
	}
	for _, a := range spec.attrs {
		if a.required && b.attrs[a.name] == nil && !misspelled(a.name, body, spec) {
			l.report(rng, a.hint, "%s needs %s", spec.name, a.name)
		}
	}
	return b
}

// misspelled reports whether an unknown attribute was probably meant as name.
func misspelled(name string, body *hclsyntax.Body, spec *blockSpec) bool {
	for said := range body.Attributes {
		if spec.attrNamed(said) == nil && nearest(said, spec.words()) == name {
			return true
		}
	}
	return false
}

func (l *loader) checkAttr(b *block, name string, a *hclsyntax.Attribute) {
	known, inner := b.spec.attrNamed(name), b.spec.blockNamed(name)
	switch {
	case known != nil && known.later, known == nil && inner != nil && inner.later:
		l.report(a.NameRange, "", notYet, name)
		l.laterIn[b.rng.Start.Byte] = true
	case known != nil:
		b.attrs[name] = a
	case inner != nil:
		l.report(a.NameRange, "it is a block: "+inner.example()+", without =", "%s has no value", name)
	default:
		l.report(a.NameRange, didYouMean(name, b.spec.words()), "unknown attribute %q %s", name, b.spec.where())
	}
}

// example shows how the block is written.
func (s *blockSpec) example() string {
	if s.label == "" {
		return s.name + " { … }"
	}
	return s.name + ` "` + s.label + `" { … }`
}

func (l *loader) checkBlock(spec *blockSpec, x *hclsyntax.Block, into *block) *block {
	inner, attr := spec.blockNamed(x.Type), spec.attrNamed(x.Type)
	switch {
	case inner == nil && attr != nil && attr.later, inner != nil && inner.later:
		l.report(x.TypeRange, "", notYet, x.Type)
		l.laterIn[into.rng.Start.Byte] = true
		return nil
	case inner == nil && attr != nil:
		l.report(x.TypeRange, "it is an attribute: "+x.Type+" = …", "%s is no block", x.Type)
		return nil
	case inner == nil:
		l.report(x.TypeRange, didYouMean(x.Type, spec.words()), "unknown block %q %s", x.Type, spec.where())
		return nil
	case inner.once && into.first(inner) != nil:
		l.report(x.TypeRange, "", "a second %s block; the first is in line %d", x.Type, into.first(inner).rng.Start.Line)
		return nil
	}
	label, rng, ok := l.checkLabel(inner, x)
	if ok && inner.values != nil && !slices.Contains(inner.values, label) {
		l.report(rng, didYouMeanOr(label, quoted(inner.values)), "unknown %s %q", inner.label, label)
		ok = false
	}
	b := l.check(x.Body, inner, x.DefRange())
	if !ok {
		return nil
	}
	b.label, b.labelR = label, rng
	return b
}

func (l *loader) checkLabel(spec *blockSpec, x *hclsyntax.Block) (label string, rng hcl.Range, ok bool) {
	switch want := spec.label != ""; {
	case want && len(x.Labels) == 0:
		l.report(x.TypeRange, "write "+spec.example(), "%s needs a %s", x.Type, spec.label)
		return "", rng, false
	case want && len(x.Labels) > 1:
		l.report(x.LabelRanges[1], "", "%s has one %s only", x.Type, spec.label)
		return "", rng, false
	case !want && len(x.Labels) > 0:
		l.report(x.LabelRanges[0], "write "+spec.example(), "%s has no name", x.Type)
		return "", rng, false
	case want && x.Labels[0] == "":
		l.report(x.LabelRanges[0], "", "the %s is empty", spec.label)
		return "", rng, false
	case want:
		return x.Labels[0], x.LabelRanges[0], true
	}
	return "", rng, true
}
