package config

import (
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"viaduct/internal/policy"
	"viaduct/sip"
)

// bareName compiles a name: a method, a field, a network or a group.
func (l *loader) bareName(e *hclsyntax.ScopeTraversalExpr) value {
	path, index, ok := l.path(e)
	if !ok {
		return value{rng: e.SrcRange}
	}
	switch root := path[0]; {
	case root == "network" || root == "group":
		return l.reference(e, path, index)
	case root == "header":
		return l.header(e, path, index)
	case root == "let":
		return l.letName(e, path, index)
	case root == "original" && len(path) > 1:
		return l.original(e, path[1:], index)
	case placeOf[root] != "":
		l.report(e.SrcRange, placeOf[root], "%s is no value", root)
		return value{rng: e.SrcRange}
	case len(path) == 1 && index == nil && sip.MethodOf([]byte(root)) != sip.OtherMethod:
		return value{kind: method, rng: e.SrcRange, fixed: true, method: sip.MethodOf([]byte(root))}
	}
	if isLater(path[0]) {
		l.report(e.SrcRange, "", notYet, path[0])
		return value{rng: e.SrcRange}
	}
	f := fieldNamed(strings.Join(path, "."))
	switch {
	case f == nil:
		return l.unknownName(e, path)
	case index == nil:
		return l.read(f, e.SrcRange)
	case !f.indexed:
		l.report(e.SrcRange, "", "%s has no parts", f.name)
		return value{rng: e.SrcRange}
	}
	v := l.read(f, e.SrcRange)
	party := partyOf(path[0])
	v.text, v.present = policy.Param(party, *index), policy.HasParam(party, *index)
	return v
}

// placeOf are names that stand in one place only.
var placeOf = map[string]string{
	"users":    "it stands in authenticate = users.X",
	"route":    "it stands in jump = route.X",
	"location": "it stands in send = location",
}

// original is what a name reads in the request as received. Only the Request-URI
// and header fields can be edited; all else is the same.
func (l *loader) original(e *hclsyntax.ScopeTraversalExpr, path []string, index *string) value {
	if path[0] == "header" {
		v := l.header(e, path, index)
		if v.kind != bad {
			v.text, v.present = policy.OriginalHeader(*index), policy.HasOriginalHeader(*index)
		}
		return v
	}
	f := fieldNamed(strings.Join(path, "."))
	switch {
	case f == nil || f.later:
		return l.unknownName(e, path)
	case index != nil && !f.indexed:
		l.report(e.SrcRange, "", "%s has no parts", f.name)
		return value{rng: e.SrcRange}
	}
	v := l.read(f, e.SrcRange)
	switch {
	case f.name == "user_agent":
		v.text, v.present = policy.OriginalHeader("User-Agent"), policy.HasOriginalHeader("User-Agent")
	case f.name == "request_uri":
		v.text = policy.Whole(policy.OriginalDest)
	case path[0] == "dest" && index == nil:
		originalDest[path[1]](&v)
	case index != nil:
		party := partyOf(path[0])
		if party == policy.Dest {
			party = policy.OriginalDest
		}
		v.text, v.present = policy.Param(party, *index), policy.HasParam(party, *index)
	}
	return v
}

// originalDest make a part of the Request-URI one of the Request-URI as received.
var originalDest = map[string]func(*value){
	"user": func(v *value) {
		v.text, v.present = policy.User(policy.OriginalDest), policy.HasUser(policy.OriginalDest)
	},
	"domain": func(v *value) { v.text = policy.Domain(policy.OriginalDest) },
	"port":   func(v *value) { v.number = policy.Port(policy.OriginalDest) },
	"scheme": func(v *value) { v.text = policy.Scheme(policy.OriginalDest) },
	"params": func(v *value) { v.text = policy.Params(policy.OriginalDest) },
}

func partyOf(root string) policy.Party {
	switch root {
	case "from":
		return policy.From
	case "to":
		return policy.To
	case "contact":
		return policy.Contact
	}
	return policy.Dest
}

// path takes a traversal apart: dest.params["lr"] is [dest params] and "lr".
func (l *loader) path(e *hclsyntax.ScopeTraversalExpr) (path []string, index *string, ok bool) {
	for _, step := range e.Traversal {
		switch s := step.(type) {
		case hcl.TraverseRoot:
			path = append(path, s.Name)
		case hcl.TraverseAttr:
			if index != nil {
				l.report(s.SrcRange, "", "%q has no parts", *index)
				return nil, nil, false
			}
			path = append(path, s.Name)
		case hcl.TraverseIndex:
			if !s.Key.Type().IsPrimitiveType() || s.Key.Type().FriendlyName() != "string" || index != nil {
				l.report(s.SrcRange, `a part is named, as in header["Subject"]`, "numbers in […] or after a point are not supported")
				return nil, nil, false
			}
			text := s.Key.AsString()
			index = &text
		default:
			l.report(e.SrcRange, "", "this form of expression is not supported")
			return nil, nil, false
		}
	}
	return path, index, true
}

// unknownName reports a name that is nothing. A name in capitals was meant as a
// method; one with a hyphen as a subtraction.
func (l *loader) unknownName(e *hclsyntax.ScopeTraversalExpr, path []string) value {
	v := value{rng: e.SrcRange}
	whole := strings.Join(path, ".")
	switch root := path[0]; {
	case l.isSecret(e.SrcRange): // perhaps the secret itself, without its quotes
		l.report(e.SrcRange, `a secret is written in quotes, or env("NAME")`, "this is no text")
	case strings.Contains(whole, "-"):
		l.report(e.SrcRange, "a subtraction is written with spaces: a - b", "unknown name %q", whole)
	case len(path) == 1 && root == strings.ToUpper(root):
		l.report(e.SrcRange, didYouMeanOr(root, methodNames), "unknown method %q", root)
	case len(path) == 1 && nearest(strings.ToUpper(root), methodNames) == strings.ToUpper(root):
		l.report(e.SrcRange, "methods are written in capitals: "+strings.ToUpper(root), "unknown name %q", root)
	case len(fieldNames(root)) < fewWords && len(path) == 1:
		l.report(e.SrcRange, allowedHere(fieldNames(root)), "%s has parts: name one", root)
	default:
		l.report(e.SrcRange, didYouMeanOr(whole, fieldNames(root)), "unknown field %q", whole)
	}
	return v
}

// header is header["X"].
func (l *loader) header(e *hclsyntax.ScopeTraversalExpr, path []string, index *string) value {
	if len(path) != 1 || index == nil {
		l.report(e.SrcRange, `write header["X"]`, "header needs the name of a header field")
		return value{rng: e.SrcRange}
	}
	return l.headerField(*index, e.SrcRange)
}

// reference is network.X, group.X, network["X"] or group["X"].
func (l *loader) reference(e *hclsyntax.ScopeTraversalExpr, path []string, index *string) value {
	kindName := path[0]
	var name string
	switch {
	case len(path) == 2 && index == nil:
		name = path[1]
	case len(path) == 1 && index != nil:
		name = *index
	default:
		l.report(e.SrcRange, "write "+kindName+".X", "%s needs a name", kindName)
		return value{rng: e.SrcRange}
	}
	if kindName == "group" {
		if g := l.groups[name]; g != nil {
			return value{kind: set, rng: e.SrcRange, fixed: true, prefix: g.policy.Members, group: g}
		}
		l.report(e.SrcRange, didYouMeanOr(name, names(l.groups)), "no group is named %q", name)
		return value{rng: e.SrcRange}
	}
	if n := l.networks[name]; n != nil {
		return value{kind: set, rng: e.SrcRange, fixed: true, prefix: n}
	}
	l.report(e.SrcRange, didYouMeanOr(name, names(l.networks)), "no network is named %q", name)
	return value{rng: e.SrcRange}
}
