package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/rogpeppe/go-internal/diff"
	"github.com/spf13/cobra"

	"viaduct/internal/admin"
	"viaduct/internal/config"
)

// refused prints diagnostics, and makes an error of them when there are any.
func refused(errout io.Writer, diags config.Diagnostics) error {
	if len(diags) == 0 {
		return nil
	}
	printed(errout, diags)
	return &failure{code: exitConfig}
}

func printed(errout io.Writer, diags config.Diagnostics) {
	file, ok := errout.(*os.File)
	diags.Print(errout, ok && colour(file))
}

// colour reports whether what is written to file is read on a terminal that
// may be painted (https://no-color.org).
func colour(file *os.File) bool {
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

func checkCommand() *cobra.Command {
	var socket string
	cmd := &cobra.Command{
		Use:   "check FILE…",
		Short: "Find everything wrong with configuration files",
		Long: `Loads each FILE as run would, and starts nothing. What is wrong is printed with its
place, the line, and a hint; then the exit code is 3. What is allowed and most likely
not meant is printed as a warning. Where a server runs with FILE,
it is asked what a reload would change, and what would need a restart.`,
		Example: `  viaduct check viaduct.hcl
  viaduct check /etc/viaduct/*.hcl`,
		Args: cobra.MinimumNArgs(1),
		RunE: action(func(cmd *cobra.Command, args []string) (err error) {
			for _, file := range args {
				cfg, diags := config.Load(file, config.Options{Check: true})
				if bad := refused(cmd.ErrOrStderr(), diags); bad != nil {
					err = bad
					continue
				}
				printed(cmd.ErrOrStderr(), cfg.Warnings)
				fmt.Fprintf(cmd.OutOrStdout(), "%s is right\n", file)
				for _, line := range cfg.Summary() {
					fmt.Fprintf(cmd.OutOrStdout(), "  %s\n", line)
				}
				preview(cmd, socket, file)
			}
			return err
		}),
	}
	cmd.Flags().StringVar(&socket, "socket", defaultSocket(), "control socket of the server that is asked")
	return cmd
}

// preview prints what a reload would change where a server runs with file. That
// nobody answers, or somebody with another file, is no fault of the file.
func preview(cmd *cobra.Command, socket, file string) {
	client := admin.NewClient(socket)
	status, err := client.Status(cmd.Context())
	if path, bad := filepath.Abs(file); err != nil || bad != nil || status.ConfigPath != path {
		return
	}
	text, err := client.Preview(cmd.Context())
	if err != nil {
		fmt.Fprintf(cmd.ErrOrStderr(), "viaduct: the running server cannot say what a reload would change: %v\n", err)
		return
	}
	fmt.Fprintf(cmd.OutOrStdout(), "  a reload of the running server (pid %d):\n", status.PID)
	for line := range strings.Lines(text) {
		fmt.Fprint(cmd.OutOrStdout(), "    ", line)
	}
}

func fmtCommand() *cobra.Command {
	var write, show bool
	cmd := &cobra.Command{
		Use:   "fmt FILE…",
		Short: "Write configuration files in their usual form",
		Long:  `Prints each FILE in its usual form; with -w it is written back, with -d the difference is shown.`,
		Example: `  viaduct fmt -w viaduct.hcl
  viaduct fmt -d /etc/viaduct/*.hcl`,
		Args: cobra.MinimumNArgs(1),
		RunE: action(func(cmd *cobra.Command, args []string) (err error) {
			for _, file := range args {
				if bad := reformat(cmd, file, write, show); bad != nil {
					err = bad
				}
			}
			return err
		}),
	}
	cmd.Flags().BoolVarP(&write, "write", "w", false, "write the file back")
	cmd.Flags().BoolVarP(&show, "diff", "d", false, "show the difference")
	return cmd
}

func reformat(cmd *cobra.Command, file string, write, show bool) error {
	src, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	formatted, diags := config.Format(file, src)
	if err := refused(cmd.ErrOrStderr(), diags); err != nil {
		return err
	}
	if show {
		if _, err := cmd.OutOrStdout().Write(diff.Diff(file, src, file+" formatted", formatted)); err != nil {
			return err
		}
	}
	if write && !bytes.Equal(src, formatted) {
		info, err := os.Stat(file)
		if err != nil {
			return err
		}
		return os.WriteFile(file, formatted, info.Mode().Perm())
	}
	if !write && !show {
		_, err = cmd.OutOrStdout().Write(formatted)
	}
	return err
}
