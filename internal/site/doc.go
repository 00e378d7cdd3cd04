// Package site is what a server holds beside its engine: the store, the location
// directory that it fills, and the sources of users. It opens them as the
// configuration says, keeps over a reload what has not changed, and runs them.
//
//	config ──▶ Open ──▶ store ──▶ location.Directory ─┐
//	             │                                    ├──▶ proxy.Snapshot ──▶ engine
//	reload ──▶ Equip ──▶ users: files, HTTP, store ───┘
//	             └─ Keep: what the configuration in force does not name is ended
package site
