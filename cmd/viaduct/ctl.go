package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"viaduct/internal/admin"
)

// choice is a flag that takes one of a few words.
type choice struct {
	value   string
	allowed []string
}

func (c *choice) String() string { return c.value }
func (c *choice) Type() string   { return strings.Join(c.allowed, "|") }

func (c *choice) Set(value string) error {
	for _, a := range c.allowed {
		if value == a {
			c.value = value
			return nil
		}
	}
	return fmt.Errorf("must be %s", strings.Join(c.allowed, " or "))
}

func defaultSocket() string { return admin.SocketPath(os.Getenv, os.Getuid(), os.TempDir()) }

func ctlCommand() *cobra.Command {
	var socket string
	ctl := &cobra.Command{
		Use:   "ctl",
		Short: "Ask a running server, or tell it something",
		Long: `Talks to a running server through its control socket, which only the user it runs
as (and root) can open.`,
		Example: `  viaduct ctl status
  viaduct ctl status -o json --socket /run/viaduct/viaduct.sock
  viaduct ctl metrics
  viaduct ctl log debug`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	ctl.PersistentFlags().StringVar(&socket, "socket", defaultSocket(), "control socket of the server")
	client := func() *admin.Client { return admin.NewClient(socket) }
	ctl.AddCommand(statusCommand(client), metricsCommand(client), logCommand(client))
	return ctl
}

func reloadCommand() *cobra.Command {
	var socket string
	cmd := &cobra.Command{
		Use:   "reload",
		Short: "Have a running server read its configuration again",
		Long: `The server reads the file that it was started with and prints what has changed. Calls
in progress go on. When the file is wrong it prints why, nothing has changed, and the
exit code is 3; what cannot be done, as an address in use, is exit code 1.`,
		Example: `  viaduct reload
  viaduct reload --socket /run/viaduct/viaduct.sock`,
		Args: cobra.NoArgs,
		RunE: action(func(cmd *cobra.Command, _ []string) error {
			text, err := admin.NewClient(socket).Reload(cmd.Context())
			if refused := (*admin.RefusedError)(nil); errors.As(err, &refused) {
				return &failure{exitConfig, err}
			} else if err != nil {
				return err
			}
			_, err = fmt.Fprint(cmd.OutOrStdout(), text)
			return err
		}),
	}
	cmd.Flags().StringVar(&socket, "socket", defaultSocket(), "control socket of the server")
	return cmd
}

func statusCommand(client func() *admin.Client) *cobra.Command {
	format := choice{"table", []string{"table", "json"}}
	cmd := &cobra.Command{
		Use:   "status",
		Short: "What the server is and does now",
		Example: `  viaduct ctl status
  viaduct ctl status -o json | jq .in_setup`,
		Args: cobra.NoArgs,
		RunE: action(func(cmd *cobra.Command, _ []string) error {
			status, err := client().Status(cmd.Context())
			if err != nil {
				return err
			}
			if format.value == "json" {
				return writeJSON(cmd.OutOrStdout(), status)
			}
			return status.WriteTable(cmd.OutOrStdout())
		}),
	}
	cmd.Flags().VarP(&format, "output", "o", "form of the output")
	return cmd
}

func metricsCommand(client func() *admin.Client) *cobra.Command {
	format := choice{"table", []string{"table", "json", "prometheus"}}
	cmd := &cobra.Command{
		Use:   "metrics",
		Short: "All counters and gauges",
		Example: `  viaduct ctl metrics
  viaduct ctl metrics -o prometheus > /var/lib/node_exporter/viaduct.prom`,
		Args: cobra.NoArgs,
		RunE: action(func(cmd *cobra.Command, _ []string) error {
			if format.value == "prometheus" {
				text, err := client().Exposition(cmd.Context())
				if err != nil {
					return err
				}
				_, err = cmd.OutOrStdout().Write(text)
				return err
			}
			samples, err := client().Samples(cmd.Context())
			if err != nil {
				return err
			}
			if format.value == "json" {
				return writeJSON(cmd.OutOrStdout(), samples)
			}
			return admin.WriteSamples(cmd.OutOrStdout(), samples)
		}),
	}
	cmd.Flags().VarP(&format, "output", "o", "form of the output")
	return cmd
}

func logCommand(client func() *admin.Client) *cobra.Command {
	return &cobra.Command{
		Use:     "log LEVEL",
		Short:   "Change the log level: debug, info, warn or error",
		Example: `  viaduct ctl log debug`,
		Args:    cobra.ExactArgs(1),
		RunE: action(func(cmd *cobra.Command, args []string) error {
			now, err := client().SetLevel(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), "log level is", now)
			return err
		}),
	}
}

func writeJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}
