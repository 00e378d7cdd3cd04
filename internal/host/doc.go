// Package host is what the machine and its service manager give to the process
// and want to hear from it.
//
//	cgroup memory.max ──▶ 90 % ──▶ the Go runtime's memory limit
//	RLIMIT_NOFILE     ──▶ raised to the hard limit
//	NOTIFY_SOCKET     ◀── READY, RELOADING, STOPPING, WATCHDOG (sd_notify(3))
//
// It knows nothing of SIP. A limit that cannot be found or raised is no reason not
// to serve: it is told, and reported as it is.
package host
