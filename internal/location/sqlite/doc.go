// Package sqlite keeps bindings and users in one SQLite file that an operator can
// read with sqlite3 while the server runs.
//
//	location.Directory ── Apply: one transaction ──▶ viaduct.db-wal ── 8 MiB ──▶ viaduct.db
//	                   ◀─ Load, at the start ─────────────────────────────────
//	viaduct user add   ── Users ───────────────────▶ (another process, the same file)
//
// What the server needs at run time is in the memory of the Directory; it reads
// the file once, and finds rows by ID alone. So the table of bindings has no
// index, and a REGISTER that only refreshes, which nearly all do, touches three
// numbers in one row: about 14 µs of CPU in groups of 8 and more, 25 µs alone, with
// 300,000 bindings; most of that is the page that it dirties, written to the log and
// back.
//
// The log (WAL) holds whole transactions with check sums: what was being written
// when the process was killed is dropped at the next start, what was committed is
// in the hands of the kernel. With Config.PowerSafe it is on the disk. A full
// disk fails the transaction and leaves the file as it was; the next one is tried
// anew.
package sqlite
