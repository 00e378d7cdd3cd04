// Package location is the location service of RFC 3261 §10: which bindings an
// address-of-record has.
package location
