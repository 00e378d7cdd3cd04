package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"viaduct/internal/kamailio"
	"viaduct/internal/users"
)

func userCommand() *cobra.Command {
	at := &source{}
	user := &cobra.Command{
		Use:   "user",
		Short: "Change who the users are",
		Long: `Adds, changes, removes and lists users: of a file (FILE), as users { file } of the
configuration names it; of the store of a server (--store DIR), as users { sql {} } means
it; or of whichever a configuration names (--config FILE). Neither holds passwords but
what digest authentication makes of them. A running server sees a change within seconds.`,
		Example: `  viaduct user add /etc/viaduct/staff.users alice --realm example.com
  viaduct user add --store /var/lib/viaduct alice --realm example.com
  viaduct user passwd --config /etc/viaduct/viaduct.hcl alice --stdin < password.txt
  viaduct user remove /etc/viaduct/staff.users alice
  viaduct user list --store /var/lib/viaduct
  viaduct user import --store /var/lib/viaduct subscriber.sql --dry-run`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	flags := user.PersistentFlags()
	flags.StringVar(&at.realm, "realm", "", "realm of the user (default: the only one that there is; else it is asked for)")
	flags.StringVar(&at.store, "store", "", "store directory of the server, instead of a FILE")
	flags.StringVar(&at.config, "config", "", "configuration whose users block tells where they are, instead of a FILE")
	user.MarkFlagsMutuallyExclusive("store", "config")
	user.AddCommand(
		passwordCommand(at, "add", "Add a user, with a password by chance unless one is given", false),
		passwordCommand(at, "passwd", "Give a user another password, by chance unless one is given", true),
		removeUser(at), listUsers(at), importUsers(at),
	)
	return user
}

// passwordCommand is add and passwd, which differ in whether there has to be such a
// user.
func passwordCommand(at *source, name, short string, there bool) *cobra.Command {
	var stdin bool
	cmd := &cobra.Command{
		Use:   name + " [FILE] USER",
		Short: short,
		Long: short + `. A password by chance is printed, once: nobody can read it
from where the users are.`,
		Example: "  viaduct user " + name + " /etc/viaduct/staff.users alice --realm example.com\n" +
			"  viaduct user " + name + " --store /var/lib/viaduct alice --realm example.com",
		Args: at.args(1),
		RunE: action(func(cmd *cobra.Command, args []string) error {
			book, err := at.open(cmd, args)
			if err != nil {
				return err
			}
			password := users.Password()
			if stdin {
				if password, err = firstLine(cmd.InOrStdin()); err != nil {
					return errors.Join(err, book.close())
				}
			}
			set := book.add
			if there {
				set = book.passwd
			}
			if err := errors.Join(set(cmd.Context(), args[len(args)-1], password), book.close()); err != nil {
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

func removeUser(at *source) *cobra.Command {
	return &cobra.Command{
		Use:     "remove [FILE] USER",
		Aliases: []string{"delete"},
		Short:   "Take a user out",
		Example: "  viaduct user remove /etc/viaduct/staff.users alice\n  viaduct user remove --store /var/lib/viaduct alice",
		Args:    at.args(1),
		RunE: action(func(cmd *cobra.Command, args []string) error {
			book, err := at.open(cmd, args)
			if err != nil {
				return err
			}
			return errors.Join(book.remove(cmd.Context(), args[len(args)-1]), book.close())
		}),
	}
}

func listUsers(at *source) *cobra.Command {
	return &cobra.Command{
		Use:     "list [FILE]",
		Short:   "Print the names of the users",
		Example: "  viaduct user list /etc/viaduct/staff.users\n  viaduct user list --store /var/lib/viaduct --realm example.com",
		Args:    at.args(0),
		RunE: action(func(cmd *cobra.Command, args []string) error {
			book, err := at.open(cmd, args)
			if err != nil {
				return err
			}
			names, err := book.list(cmd.Context())
			for _, name := range names {
				fmt.Fprintln(cmd.OutOrStdout(), name)
			}
			return errors.Join(err, book.close())
		}),
	}
}

func importUsers(at *source) *cobra.Command {
	var (
		dry    bool
		realms kamailio.Realms
	)
	cmd := &cobra.Command{
		Use:   "import [FILE] DUMP",
		Short: "Take over the users of a Kamailio server",
		Long: `Reads the table subscriber out of DUMP, made by mysqldump, pg_dump or sqlite3, or CSV
whose first line names the columns; - is standard input. A user with a password gets
all digests; one with ha1 alone keeps that: MD5, and only in the realm that it was made
with, which is the domain of the user unless --ha1-realm names another. Users that are
there already get what the dump says. What cannot be taken over is counted by reason,
with an example.

Without --realm each user is of the realm that is its domain.`,
		Example: `  mysqldump kamailio subscriber | viaduct user import --store /var/lib/viaduct - --dry-run
  viaduct user import /etc/viaduct/staff.users subscriber.csv --realm example.com`,
		Args: at.args(1),
		RunE: action(func(cmd *cobra.Command, args []string) error {
			realms.Here = at.realm
			return at.importAll(cmd, args, realms, dry)
		}),
	}
	cmd.Flags().BoolVar(&dry, "dry-run", false, "only tell what would be taken over")
	cmd.Flags().StringVar(&realms.Dumps, "ha1-realm", "", "realm that the ha1 of the dump were made with (default: the domain of each user)")
	return cmd
}

// importAll reads a whole dump before it changes anything.
func (s *source) importAll(cmd *cobra.Command, args []string, realms kamailio.Realms, dry bool) error {
	tally := newTally(cmd, "users")
	var all []users.User
	type key struct{ name, realm string }
	seen := map[key]bool{}
	err := readDump(args[len(args)-1], cmd.InOrStdin(), kamailio.SubscriberTable, func(r *kamailio.Row) error {
		tally.row()
		u, why, ok := realms.User(r)
		if k := (key{u.Name, u.Realm}); ok && seen[k] {
			why, ok = kamailio.Twice, false
		} else if ok {
			seen[k] = true
			all = append(all, u)
			tally.taken++
		}
		if why != "" {
			tally.not(string(why), fmt.Sprintf("line %d: %s@%s", r.Line, r.Get("username"), r.Get("domain")))
		}
		return nil
	})
	if err == nil && !dry {
		err = s.putAll(cmd, args, all)
	}
	if err != nil {
		return err
	}
	return tally.print(dry)
}

func firstLine(r io.Reader) (string, error) {
	line, err := bufio.NewReader(io.LimitReader(r, 1024)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", err
	}
	return strings.TrimRight(line, "\r\n"), nil
}

// ask puts a question to who sits at the terminal; without one the answer is err.
func ask(cmd *cobra.Command, question string, err error) (string, error) {
	if cmd.InOrStdin() != os.Stdin || !terminal(os.Stdin) {
		return "", err
	}
	fmt.Fprint(cmd.ErrOrStderr(), question, " ")
	answer, wrong := firstLine(os.Stdin)
	if answer = strings.TrimSpace(answer); wrong != nil || answer == "" {
		return "", errors.Join(err, wrong)
	}
	return answer, nil
}
