package host

import (
	"io/fs"
	"math"
	"os"
	"path"
	"runtime/debug"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Limits are the bounds of this process.
type Limits struct {
	Memory      int64 // bytes that the Go runtime keeps to; 0: none
	Descriptors int   // files and sockets that may be open; 0: not known
}

// share of a cgroup's memory that the Go runtime may fill: what it does not count
// are the receive buffers, which are mapped, and the program itself.
const share = 0.9

// Apply raises and sets the limits of this process (safety.md rule 8) and returns
// those now in force. GOMEMLIMIT, when set, is left alone.
func Apply() (Limits, error) {
	n, err := raiseDescriptors()
	if os.Getenv("GOMEMLIMIT") == "" {
		if m := cgroupMemory(os.DirFS("/")); m > 0 {
			debug.SetMemoryLimit(int64(float64(m) * share))
		}
	}
	l := Limits{Memory: debug.SetMemoryLimit(-1), Descriptors: n}
	if l.Memory == math.MaxInt64 {
		l.Memory = 0
	}
	return l, err
}

// raiseDescriptors lifts the soft limit to the hard one.
func raiseDescriptors() (int, error) {
	var r unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &r); err != nil {
		return 0, err
	}
	var err error
	if r.Cur < r.Max {
		raised := unix.Rlimit{Cur: r.Max, Max: r.Max}
		if err = unix.Setrlimit(unix.RLIMIT_NOFILE, &raised); err == nil {
			r = raised
		}
	}
	return int(min(r.Cur, math.MaxInt32)), err
}

// unlimited is more than any machine has: cgroups of version 1 say "no limit" by a
// number of that size.
const unlimited = 1 << 60

// cgroupMemory is the memory limit of the process's cgroup, the least of it and
// those above it, of version 1 or 2; 0 when there is none.
func cgroupMemory(root fs.FS) int64 {
	groups, err := fs.ReadFile(root, "proc/self/cgroup")
	if err != nil {
		return 0
	}
	least := int64(unlimited)
	for line := range strings.Lines(string(groups)) {
		// hierarchy:controllers:path (cgroups(7)); version 2 has no controllers here.
		f := strings.SplitN(strings.TrimSpace(line), ":", 3)
		switch {
		case len(f) != 3:
		case f[0] == "0" && f[1] == "":
			least = min(least, memoryAlong(root, "sys/fs/cgroup", f[2], "memory.max"))
		case strings.Contains(","+f[1]+",", ",memory,"):
			least = min(least, memoryAlong(root, "sys/fs/cgroup/memory", f[2], "memory.limit_in_bytes"))
		}
	}
	if least == unlimited {
		return 0
	}
	return least
}

// memoryAlong reads the file of that name in a cgroup and in all above it. In a
// container the path may be the host's, which is not there; the container's own
// limit then stands at the mount point, which is looked at, too.
func memoryAlong(root fs.FS, mount, group, name string) int64 {
	least := int64(unlimited)
	for dir := path.Clean("/" + group); ; dir = path.Dir(dir) {
		text, err := fs.ReadFile(root, path.Join(mount, dir, name))
		if err == nil {
			if n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil && n > 0 {
				least = min(least, n) // "max" is no number
			}
		}
		if dir == "/" {
			return least
		}
	}
}
