// Package kamailio reads the tables subscriber and location of a Kamailio server
// out of a dump, for those who come from there.
//
//	mysqldump, pg_dump, sqlite3 .dump ─┐        ┌─▶ Subscriber.User ──▶ users.User, or why not
//	                                   ├─▶ Rows ┤
//	CSV with a header ─────────────────┘        └─▶ Contact.Row ──────▶ location.Row, or why not
//
// Nothing is taken that could not work here: each row that is left behind has a
// Reason, so that all of them can be counted and told.
package kamailio
