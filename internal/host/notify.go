package host

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"

	"viaduct/internal/clock"
)

// Manager is the service manager that started the process, if any: sd_notify(3).
// Without one every method does nothing.
type Manager struct{}

// Ready says that the server serves, at the start and after a reload.
func (Manager) Ready() error { return tell(daemon.SdNotifyReady) }

// Reloading says that a reload has begun; Ready must follow, whatever comes of it.
// The time lets the manager tell this reload from an earlier one.
func (Manager) Reloading() error {
	return tell(daemon.SdNotifyReloading + "\n" + daemon.SdNotifyMonotonicUsec())
}

// Stopping says that the server drains.
func (Manager) Stopping() error { return tell(daemon.SdNotifyStopping) }

// patience bounds a message to the manager: one that does not read, whose queue of
// a few datagrams is full, must not hold up a reload or a stop.
const patience = time.Second

func tell(state string) error {
	path := os.Getenv("NOTIFY_SOCKET")
	if path == "" {
		return nil
	}
	c, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return fmt.Errorf("service manager not told %q: %w", state, err)
	}
	err = c.SetWriteDeadline(clock.Wall(clock.Now()).Add(patience))
	if err == nil {
		_, err = c.Write([]byte(state))
	}
	if err = errors.Join(err, c.Close()); err != nil {
		return fmt.Errorf("service manager not told %q: %w", state, err)
	}
	return nil
}

// Watch tells the manager's watchdog, at half of its interval, that the server is
// alive, as long as beats goes up between two looks. It returns when ctx ends, and
// at once when there is no watchdog.
func (Manager) Watch(ctx context.Context, beats func() uint64) error {
	limit, err := daemon.SdWatchdogEnabled(false)
	if err != nil || limit <= 0 {
		return err
	}
	look := time.NewTicker(limit / 2)
	defer look.Stop()
	for last := beats(); ; {
		select {
		case <-ctx.Done():
			return nil
		case <-look.C:
		}
		now := beats()
		if now == last {
			continue // stuck: the manager finds out and starts another one
		}
		last = now
		if err := tell(daemon.SdNotifyWatchdog); err != nil {
			return err
		}
	}
}
