package host

import (
	"context"
	"errors"
	"math"
	"net"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestCgroupMemory(t *testing.T) {
	t.Parallel()
	file := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }
	for _, c := range []struct {
		name string
		fs   fstest.MapFS
		want int64
	}{
		{"no cgroups", fstest.MapFS{}, 0},
		{"version 2", fstest.MapFS{"proc/self/cgroup": file("0::/a/b\n"), "sys/fs/cgroup/a/b/memory.max": file("1000\n")}, 1000},
		{"version 2 without a limit", fstest.MapFS{"proc/self/cgroup": file("0::/a\n"), "sys/fs/cgroup/a/memory.max": file("max\n")}, 0},
		{"a lower limit above", fstest.MapFS{
			"proc/self/cgroup": file("0::/a/b\n"), "sys/fs/cgroup/a/b/memory.max": file("1000\n"), "sys/fs/cgroup/a/memory.max": file("900\n"),
		}, 900},
		{"a container that sees the path of its host", fstest.MapFS{"proc/self/cgroup": file("0::/host/x\n"), "sys/fs/cgroup/memory.max": file("800\n")}, 800},
		{"version 1", fstest.MapFS{
			"proc/self/cgroup": file("5:cpu,memory:/a\n4:pids:/b\n"),
			"sys/fs/cgroup/memory/a/memory.limit_in_bytes": file("700\n"),
		}, 700},
		{"version 1 without a limit", fstest.MapFS{
			"proc/self/cgroup":                           file("5:memory:/\n"),
			"sys/fs/cgroup/memory/memory.limit_in_bytes": file("9223372036854771712\n"),
		}, 0},
		{"nonsense", fstest.MapFS{"proc/self/cgroup": file("x\n0::../..\n"), "sys/fs/cgroup/memory.max": file("-5")}, 0},
	} {
		if got := cgroupMemory(c.fs); got != c.want {
			t.Errorf("%s: got %d, want %d", c.name, got, c.want)
		}
	}
}

func TestApply(t *testing.T) {
	before := debug.SetMemoryLimit(-1)
	defer debug.SetMemoryLimit(before)
	t.Setenv("GOMEMLIMIT", "12345678") // given, and so not ours to change
	debug.SetMemoryLimit(12345678)
	l, err := Apply()
	if err != nil || l.Memory != 12345678 || l.Descriptors <= 0 {
		t.Errorf("got %+v, %v", l, err)
	}
	debug.SetMemoryLimit(math.MaxInt64)
	if l, _ = Apply(); l.Memory != 0 {
		t.Errorf("got %+v", l)
	}
}

// manager is the socket of a service manager.
func manager(t *testing.T) func() string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() }) // nothing is written to it
	t.Setenv("NOTIFY_SOCKET", path)
	if err := c.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return func() string {
		t.Helper()
		b := make([]byte, 512)
		n, err := c.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		return string(b[:n])
	}
}

func TestManagerIsTold(t *testing.T) {
	heard := manager(t)
	for _, c := range []struct {
		say  func() error
		want string
	}{{Manager{}.Ready, "READY=1"}, {Manager{}.Reloading, "RELOADING=1\nMONOTONIC_USEC="}, {Manager{}.Stopping, "STOPPING=1"}} {
		if err := c.say(); err != nil {
			t.Fatal(err)
		}
		if got := heard(); !strings.HasPrefix(got, c.want) {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
	t.Setenv("NOTIFY_SOCKET", filepath.Join(t.TempDir(), "none"))
	if err := (Manager{}).Ready(); err == nil {
		t.Error("no error for a socket that is not there")
	}
}

// The watchdog hears of a server whose ticker beats, and nothing of one that is
// stuck.
func TestWatchdog(t *testing.T) {
	heard := manager(t)
	t.Setenv("WATCHDOG_USEC", "2000")
	t.Setenv("WATCHDOG_PID", strconv.Itoa(os.Getpid()))
	var looks, beat atomic.Uint64
	var stuck atomic.Bool
	ctx, stop := context.WithCancel(t.Context())
	var group sync.WaitGroup
	group.Go(func() {
		err := Manager{}.Watch(ctx, func() uint64 {
			looks.Add(1)
			if !stuck.Load() {
				beat.Add(1)
			}
			return beat.Load()
		})
		if err != nil {
			t.Error(err)
		}
	})
	for range 3 {
		if got := heard(); got != "WATCHDOG=1" {
			t.Errorf("got %q", got)
		}
	}
	stuck.Store(true)
	for start := looks.Load(); looks.Load() < start+10; {
		<-time.After(time.Millisecond)
	}
	stop()
	group.Wait()
	if err := (Manager{}).Ready(); err != nil {
		t.Fatal(err)
	}
	for n, got := 0, ""; got != "READY=1"; n++ {
		if got = heard(); n > int(beat.Load()) {
			t.Fatalf("heard %d times of %d beats", n, beat.Load())
		}
	}
}

func TestNoWatchdog(t *testing.T) {
	t.Setenv("WATCHDOG_USEC", "")
	if err := (Manager{}).Watch(t.Context(), func() uint64 { return 0 }); err != nil {
		t.Error(err)
	}
}

// A manager that reads nothing holds nobody up for ever.
func TestManagerThatDoesNotRead(t *testing.T) {
	_ = manager(t)
	for n := 0; ; n++ {
		if err := (Manager{}).Ready(); err != nil {
			if !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Error(err)
			}
			return
		}
		if n > 10_000 {
			t.Skip("the queue of this system has no end")
		}
	}
}
