// Command viaduct is a SIP proxy server (RFC 3261 §16).
//
//	viaduct run [FILE]     serve
//	viaduct check FILE…    is the configuration right?
//	viaduct fmt FILE…      write it in its usual form
//	viaduct reload         have a running server read its file again
//	viaduct ctl …          ask a running server
//	viaduct user …         change who the users are
//	viaduct registrations … look at registrations and change them
//	viaduct dns URI        where does a URI lead?
//	viaduct version
//
// Here flags are parsed, the parts wired to one another, and signals waited for;
// what the program does is in the packages below.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"
)

// Exit codes, as docs/operations.md promises them.
const (
	exitFailure = 1 // it failed while it ran
	exitUsage   = 2 // the command line is wrong
	exitConfig  = 3 // the configuration was refused
)

// failure is an error of a command that was used as it should be.
type failure struct {
	code int
	err  error // nil: everything has been said
}

func (f *failure) Error() string {
	if f.err == nil {
		return ""
	}
	return f.err.Error()
}

func (f *failure) Unwrap() error { return f.err }

// action wraps what a command does: its errors are failures, all others are of
// the command line.
func action(do func(cmd *cobra.Command, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		err := do(cmd, args)
		if f := (*failure)(nil); err == nil || errors.As(err, &f) {
			return err
		}
		return &failure{exitFailure, err}
	}
}

func main() { os.Exit(execute()) }

func execute() int {
	root := &cobra.Command{
		Use:   "viaduct",
		Short: "A SIP proxy server (RFC 3261 §16)",
		Long: `Viaduct is a SIP proxy server (RFC 3261 §16): stateful, record-routing, configured by one file of rules.

Exit codes: 0 all went well, 1 a failure while running, 2 a wrong command line,
3 the configuration was refused.`,
		Example: `  viaduct run                      start with the built-in configuration, on loopback
  viaduct run viaduct.hcl          start with a file
  viaduct check viaduct.hcl        find everything wrong with it
  viaduct reload                   have the running server read its file again
  viaduct ctl status               ask the running server`,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(runCommand(), checkCommand(), fmtCommand(), reloadCommand(), ctlCommand(), userCommand(), registrationsCommand(), dnsCommand(), versionCommand())
	cmd, err := root.ExecuteContextC(context.Background())
	if err == nil {
		return 0
	}
	f := (*failure)(nil)
	if !errors.As(err, &f) {
		fmt.Fprintf(os.Stderr, "viaduct: %v\nRun '%s --help' for how it is used.\n", err, cmd.CommandPath())
		return exitUsage
	}
	if f.err != nil {
		fmt.Fprintf(os.Stderr, "viaduct: %v\n", f.err)
	}
	return f.code
}
