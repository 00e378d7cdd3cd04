package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"viaduct/internal/users"
)

func userCommand() *cobra.Command {
	var realm string
	user := &cobra.Command{
		Use:   "user",
		Short: "Change a file of users",
		Long: `Adds, changes, removes and lists the users of a file, as a users block of the
configuration names it. A file holds no passwords but what digest authentication makes
of them. A running server sees a change within seconds.`,
		Example: `  viaduct user add /etc/viaduct/staff.users alice --realm example.com
  viaduct user passwd /etc/viaduct/staff.users alice --stdin < password.txt
  viaduct user delete /etc/viaduct/staff.users alice
  viaduct user list /etc/viaduct/staff.users`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	user.PersistentFlags().StringVar(&realm, "realm", "", "realm of the user (default: that of the file, when it has one only)")
	user.AddCommand(
		passwordCommand("add", "Add a user, with a password by chance unless one is given", &realm, users.Add),
		passwordCommand("passwd", "Give a user another password, by chance unless one is given", &realm, users.Passwd),
		&cobra.Command{
			Use:     "delete FILE USER",
			Short:   "Take a user out",
			Example: "  viaduct user delete /etc/viaduct/staff.users alice",
			Args:    cobra.ExactArgs(2),
			RunE: action(func(_ *cobra.Command, args []string) error {
				return users.Delete(args[0], realm, args[1])
			}),
		},
		&cobra.Command{
			Use:     "list FILE",
			Short:   "Print the names of the users",
			Example: "  viaduct user list /etc/viaduct/staff.users",
			Args:    cobra.ExactArgs(1),
			RunE: action(func(cmd *cobra.Command, args []string) error {
				names, _, err := users.List(args[0], realm)
				for _, name := range names {
					fmt.Fprintln(cmd.OutOrStdout(), name)
				}
				return err
			}),
		},
	)
	return user
}

// passwordCommand is add and passwd, which differ in what do does.
func passwordCommand(name, short string, realm *string, do func(path, realm, user, password string) error) *cobra.Command {
	var stdin bool
	cmd := &cobra.Command{
		Use:   name + " FILE USER",
		Short: short,
		Long: short + `. A password by chance is printed, once: nobody can read it
from the file.`,
		Example: "  viaduct user " + name + " /etc/viaduct/staff.users alice --realm example.com",
		Args:    cobra.ExactArgs(2),
		RunE: action(func(cmd *cobra.Command, args []string) error {
			password := users.Password()
			if stdin {
				var err error
				if password, err = firstLine(cmd.InOrStdin()); err != nil {
					return err
				}
			}
			if err := do(args[0], *realm, args[1], password); err != nil {
				return err
			}
			if !stdin {
				fmt.Fprintln(cmd.OutOrStdout(), password)
			}
			return nil
		}),
	}
	cmd.Flags().BoolVar(&stdin, "stdin", false, "read the password from the first line of standard input")
	return cmd
}

func firstLine(r io.Reader) (string, error) {
	line, err := bufio.NewReader(io.LimitReader(r, 1024)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", err
	}
	return strings.TrimRight(line, "\r\n"), nil
}
