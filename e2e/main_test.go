// Package e2e runs the built program as a process and calls through it with
// sipp, an independent SIP implementation.
//
//	sipp UAC ──▶ viaduct ──▶ (viaduct | kamailio) ──▶ sipp UAS
//
// The tests run in a network namespace of their own where the system lets them,
// so that every port is free; those with phones and NATs take one for each machine.
// Each takes its own loopback addresses, so that they
// can run side by side even where it does not.
package e2e

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// inside marks the process that runs in the namespace.
const inside = "VIADUCT_E2E_INSIDE"

// needed are the programs that the tests call with, and their packages.
var needed = map[string]string{
	"sipp": "sip-tester", "baresip": "baresip-core", "linphonec": "linphone-cli",
	"ip": "iproute2", "nft": "nftables", "nsenter": "util-linux",
}

// binary is the program under test, built by TestMain.
var binary string

func TestMain(m *testing.M) {
	if os.Getenv(inside) == "" {
		if code, ok := rerun(); ok {
			os.Exit(code)
		}
		fmt.Fprintln(os.Stderr, "e2e: no network namespace of our own here: port 5060 of 127.0.0.1 must be free")
	}
	os.Exit(runAll(m))
}

// rerun runs this test program again in a new network namespace. ok is false
// when the system does not allow one.
func rerun() (code int, ok bool) {
	self, err := os.Executable()
	if err != nil {
		return 0, false
	}
	child := exec.Command(self, os.Args[1:]...)
	child.Env = append(os.Environ(), inside+"=namespace")
	child.Stdin, child.Stdout, child.Stderr = os.Stdin, os.Stdout, os.Stderr
	child.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	err = child.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return 0, false
	}
	return child.ProcessState.ExitCode(), true
}

func runAll(m *testing.M) int {
	if os.Getenv(inside) != "" {
		if err := loopbackUp(); err != nil {
			fmt.Fprintln(os.Stderr, "e2e: loopback:", err)
			return 1
		}
	}
	for program, debian := range needed {
		if _, err := exec.LookPath(program); err != nil {
			fmt.Fprintf(os.Stderr, "e2e: %s is missing; `make test` installs it (Debian: apt-get install %s)\n", program, debian)
			return 1
		}
	}
	dir, err := os.MkdirTemp("", "viaduct-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }() // the system cleans what is left
	binary = filepath.Join(dir, "viaduct")
	race := strconv.FormatBool(os.Getenv(measuring) == "") // it would be what is measured
	build := exec.Command("go", "build", "-race="+race, "-buildvcs=false", "-o", binary, "viaduct/cmd/viaduct")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "e2e: build: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// loopbackUp sets lo up, which is down in a new network namespace
// (netdevice(7): SIOCSIFFLAGS).
func loopbackUp() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }() // nothing was written
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	lo.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, lo); err != nil {
		return err
	}
	// One address that does not read as loopback, because phones offer no others
	// for ICE (RFC 8445 §5.1.1.1).
	alias, err := unix.NewIfreq("lo:1")
	if err != nil {
		return err
	}
	if err := alias.SetInet4Addr([]byte{10, 53, 0, 1}); err != nil {
		return err
	}
	return unix.IoctlIfreq(fd, unix.SIOCSIFADDR, alias)
}
