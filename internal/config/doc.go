// Package config turns the text of a configuration file into a checked,
// compiled and immutable snapshot, or into a list of everything wrong with it.
//
//	text ──▶ hclsyntax ──▶ schema ──▶ names ──▶ settings, rules ──▶ conjuncts ──▶ Config
//	          parse        known      networks   typed, compiled    can each       Snapshot
//	            │          words      groups     to policy closures  rule match?   Drain, …
//	            │            │        listeners        │                │
//	            │            │     users, tables       │                │
//	            └────────────┴───────────┴──────┬──────┴────────────────┘
//	                                            ▼
//	                         Diagnostics: file:line:column: message, line, caret, hint
//
// The grammar is HCL's native syntax and the library parses and formats it. What
// the words mean is ours: schema.go lists the blocks and attributes as a
// table, fields.go what an expression can read, functions.go what it can call;
// a word of the language that this version does not have yet is a row there,
// too, so that it is refused by name and not as a typing error.
//
// Expressions are checked for their types and compiled to the closures of
// package policy (expr.go, uri.go). Values needed at load (durations, lists,
// paths) are expressions as well, of which only the constants are allowed; so
// there is one evaluator, and nothing of the library's runs when a message comes.
//
// A rule is compiled part by part in the order in which the parts take effect
// (rules.go): lets.go, edits.go, ends.go with register.go and otherwise.go. Users
// are described here and opened by others; the rows of tables are read here, and a
// reload shares those whose file has not changed.
//
// Loading has no effect beyond making the key file at the first start: a
// file that is refused leaves everything as it was.
package config
