package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"viaduct/internal/admin"
	"viaduct/internal/clock"
	"viaduct/internal/kamailio"
	"viaduct/internal/location"
	"viaduct/internal/location/sqlite"
	"viaduct/internal/site"
)

// registry reads and changes registrations: those of a running server
// (admin.Client), or of a store at rest (admin.Registry).
type registry interface {
	List(ctx context.Context, from uint64) (admin.Page, error)
	Show(ctx context.Context, aor string) (admin.Registration, error)
	Remove(ctx context.Context, aor, contact string) (int, error)
	Import(ctx context.Context, all []admin.Registration) ([]admin.Refusal, error)
}

// place says where registrations are.
type place struct{ socket, store string }

// with hands out the registry of the place.
func (p *place) with(do func(registry) error) error {
	if p.store == "" {
		return do(admin.NewClient(p.socket))
	}
	store, err := site.OpenOffline(p.store, location.Limits{PerAOR: 100}) // the server has its own limit
	if errors.Is(err, sqlite.ErrInUse) {
		return fmt.Errorf("a server runs with %s: leave --store out, and name its --socket if need be", p.store)
	} else if err != nil {
		return err
	}
	return errors.Join(do(admin.Registry{Bindings: store}), store.Close())
}

func registrationsCommand() *cobra.Command {
	at := &place{}
	cmd := &cobra.Command{
		Use:     "registrations",
		Aliases: []string{"registration"},
		Short:   "Look at registrations, end them, and bring them from elsewhere",
		Long: `Shows and changes who is registered where: of a running server through its control
socket, or, while no server runs, in its store directory (--store).`,
		Example: `  viaduct registrations list
  viaduct registrations show alice@example.com -o json
  viaduct registrations remove alice@example.com --contact sip:alice@192.0.2.7:5062
  viaduct registrations import location.sql --dry-run
  viaduct registrations list --store /var/lib/viaduct`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.PersistentFlags().StringVar(&at.socket, "socket", defaultSocket(), "control socket of the server")
	cmd.PersistentFlags().StringVar(&at.store, "store", "", "store directory of a server that does not run")
	cmd.MarkFlagsMutuallyExclusive("socket", "store")
	cmd.AddCommand(listRegistrations(at), showRegistration(at), removeRegistration(at), importRegistrations(at))
	return cmd
}

func listRegistrations(at *place) *cobra.Command {
	format := choice{"table", []string{"table", "json"}}
	cmd := &cobra.Command{
		Use:   "list",
		Short: "All registrations, in no order",
		Long: `Prints all registrations, page by page as they come. With -o json each address-of-record
is one line.`,
		Example: `  viaduct registrations list
  viaduct registrations list -o json | jq -r .aor`,
		Args: cobra.NoArgs,
		RunE: action(func(cmd *cobra.Command, _ []string) error {
			return at.with(func(r registry) error {
				for from, first := uint64(0), true; first || from != 0; first = false {
					page, err := r.List(cmd.Context(), from)
					if err != nil {
						return err
					}
					if err := printRegistrations(cmd.OutOrStdout(), format.value, first, page.Registrations); err != nil {
						return err
					}
					from = page.Next
				}
				return nil
			})
		}),
	}
	cmd.Flags().VarP(&format, "output", "o", "form of the output")
	return cmd
}

func showRegistration(at *place) *cobra.Command {
	format := choice{"table", []string{"table", "json"}}
	cmd := &cobra.Command{
		Use:     "show AOR",
		Short:   "One registration, with all that is known of it",
		Example: `  viaduct registrations show alice@example.com`,
		Args:    cobra.ExactArgs(1),
		RunE: action(func(cmd *cobra.Command, args []string) error {
			return at.with(func(r registry) error {
				found, err := r.Show(cmd.Context(), args[0])
				if err != nil {
					return err
				}
				if format.value == "json" {
					return writeJSON(cmd.OutOrStdout(), found)
				}
				return printRegistration(cmd.OutOrStdout(), &found)
			})
		}),
	}
	cmd.Flags().VarP(&format, "output", "o", "form of the output")
	return cmd
}

func removeRegistration(at *place) *cobra.Command {
	var contact string
	cmd := &cobra.Command{
		Use:   "remove AOR",
		Short: "End the registration of a user, or one contact of it",
		Long: `The user is called there no more. A phone that does not know of it registers again
when its time is up.`,
		Example: `  viaduct registrations remove alice@example.com
  viaduct registrations remove alice@example.com --contact sip:alice@192.0.2.7:5062`,
		Args: cobra.ExactArgs(1),
		RunE: action(func(cmd *cobra.Command, args []string) error {
			return at.with(func(r registry) error {
				n, err := r.Remove(cmd.Context(), args[0], contact)
				if err == nil {
					_, err = fmt.Fprintf(cmd.OutOrStdout(), "removed %d\n", n)
				}
				return err
			})
		}),
	}
	cmd.Flags().StringVar(&contact, "contact", "", "end this one only")
	return cmd
}

func printRegistrations(w io.Writer, format string, header bool, all []admin.Registration) error {
	if format == "json" {
		return writeLines(w, all)
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	if header {
		fmt.Fprintln(t, "AOR\tCONTACT\tQ\tEXPIRES\tUSER AGENT")
	}
	for i := range all {
		for _, c := range all[i].Contacts {
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", visible(all[i].AOR), visible(c.URI), strconv.FormatFloat(c.Q, 'f', -1, 64), left(c.Expires), visible(c.UserAgent))
		}
	}
	return t.Flush()
}

func printRegistration(w io.Writer, r *admin.Registration) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "aor\t%s\n", visible(r.AOR))
	for _, c := range r.Contacts {
		flow := ""
		if c.Remote != "" {
			flow = c.Protocol + " " + c.Remote + " to " + c.Local
		}
		fmt.Fprintf(t, "\t\ncontact\t%s\n", visible(c.URI+c.Params))
		for _, row := range [][2]string{
			{"q", strconv.FormatFloat(c.Q, 'f', -1, 64)},
			{"expires", c.Expires.Format(time.RFC3339) + ", in " + left(c.Expires)},
			{"updated", c.Updated.Format(time.RFC3339)},
			{"call-id", c.CallID},
			{"cseq", strconv.FormatUint(uint64(c.CSeq), 10)},
			{"user agent", c.UserAgent},
			{"path", c.Path},
			{"instance", c.Instance},
			{"flow", flow},
			{"reached by", reachedBy(&c)},
		} {
			if row[1] != "" {
				fmt.Fprintf(t, "%s\t%s\n", row[0], visible(row[1]))
			}
		}
	}
	return t.Flush()
}

func reachedBy(c *admin.Contact) string {
	switch {
	case c.Path != "":
		return "its path"
	case c.Outbound:
		return "its flow, outbound " + strconv.FormatUint(uint64(c.RegID), 10)
	case c.NAT:
		return "its flow, through NAT"
	}
	return "its contact"
}

// left is how long something still lasts.
func left(until time.Time) string { return until.Sub(clock.Today()).Round(time.Second).String() }

func importRegistrations(at *place) *cobra.Command {
	var (
		dry    bool
		domain string
		zone   string
	)
	cmd := &cobra.Command{
		Use:   "import FILE",
		Short: "Take over the registrations of a Kamailio server",
		Long: `Reads the table location out of FILE, a dump made by mysqldump, pg_dump or sqlite3, or
CSV whose first line names the columns; - is standard input. What is registered here
already stays. What cannot be taken over is counted by reason, with an example: such as
a phone that was reached by a TCP connection to the other server.`,
		Example: `  mysqldump kamailio location | viaduct registrations import - --dry-run
  viaduct registrations import location.csv --domain example.com --timezone UTC
  viaduct registrations import location.sql --store /var/lib/viaduct`,
		Args: cobra.ExactArgs(1),
		RunE: action(func(cmd *cobra.Command, args []string) error {
			in := time.Local
			if zone != "" {
				var err error
				if in, err = time.LoadLocation(zone); err != nil {
					return err
				}
			}
			how := &kamailio.Contacts{Domain: domain, Zone: in, Now: clock.Today()}
			if dry {
				return importContacts(cmd, args[0], how, nil)
			}
			return at.with(func(r registry) error { return importContacts(cmd, args[0], how, r) })
		}),
	}
	cmd.Flags().BoolVar(&dry, "dry-run", false, "only tell what would be taken over")
	cmd.Flags().StringVar(&domain, "domain", "", "domain of the users, where the dump has none")
	cmd.Flags().StringVar(&zone, "timezone", "", "of the times in the dump (default: that of this machine)")
	return cmd
}

// importContacts takes over a dump; with a nil registry it only looks.
func importContacts(cmd *cobra.Command, file string, how *kamailio.Contacts, to registry) error {
	tally := newTally(cmd, "contacts")
	var batch []location.Row
	flush := func() error {
		if len(batch) == 0 || to == nil {
			return nil
		}
		refused, err := to.Import(cmd.Context(), admin.RegistrationsOf(batch))
		batch = batch[:0]
		for _, x := range refused {
			tally.not(x.Reason, x.AOR+" "+x.Contact)
		}
		tally.taken -= len(refused)
		return err
	}
	err := readDump(file, cmd.InOrStdin(), kamailio.LocationTable, func(r *kamailio.Row) error {
		tally.row()
		row, why, ok := how.Row(r)
		if !ok {
			tally.not(string(why), fmt.Sprintf("line %d: %s", r.Line, r.Get("username")))
			return nil
		}
		tally.taken++
		if batch = append(batch, row); len(batch) == admin.PageSize {
			return flush()
		}
		return nil
	})
	if err == nil {
		err = flush()
	}
	return errors.Join(tally.print(to == nil), err)
}
