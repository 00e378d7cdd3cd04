package main

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/spf13/cobra"

	"viaduct/internal/config"
	"viaduct/internal/flow"
	"viaduct/internal/resolve"
	"viaduct/sip"
)

// dnsFlags are the flags of viaduct dns.
type dnsFlags struct {
	transport choice
	format    choice
	file      string
	resolvers resolvers
}

// resolvers is the flag that names DNS servers.
type resolvers []netip.AddrPort

func (r *resolvers) String() string { return "" }
func (r *resolvers) Type() string   { return "ADDR" }

func (r *resolvers) Set(text string) error {
	at, err := netip.ParseAddrPort(text)
	if err != nil {
		addr, bad := netip.ParseAddr(strings.Trim(text, "[]"))
		if bad != nil {
			return fmt.Errorf("%q is no address such as 192.0.2.53 or 192.0.2.53:5353", text)
		}
		at = netip.AddrPortFrom(addr, 53)
	}
	*r = append(*r, at)
	return nil
}

func dnsCommand() *cobra.Command {
	flags := dnsFlags{
		transport: choice{"", []string{"udp", "tcp", "tls"}},
		format:    choice{"table", []string{"table", "json"}},
	}
	cmd := &cobra.Command{
		Use:   "dns URI",
		Short: "Show where a URI leads, question by question (RFC 3263)",
		Long: `Looks up where a request to URI would be sent, as a server does: each question to the
DNS servers with its answer and TTL in seconds, then the hops in the order of their
priority. Among targets of one priority each request draws by weight which is first.

With --config the transports, the address families and the DNS servers are those of
FILE, without it UDP, TCP and TLS over IPv4 and IPv6, and the servers of the system. A
running server is not asked: it may still use older answers, until their TTL is over.

Exit codes: 0 there are hops, 1 there are none, 2 a wrong command line, 3 FILE was refused.`,
		Example: `  viaduct dns sip:bob@example.com
  viaduct dns sips:example.com --config /etc/viaduct/viaduct.hcl
  viaduct dns example.com --transport tcp --resolver 192.0.2.53
  viaduct dns sip:example.com -o json | jq -r '.hops[].address'`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return dns(cmd, &flags, args[0]) },
	}
	cmd.Flags().Var(&flags.transport, "transport", "as if the URI had this transport parameter")
	cmd.Flags().Var(&flags.resolvers, "resolver", "DNS server to ask; may be given several times")
	cmd.Flags().StringVar(&flags.file, "config", "", "configuration `FILE` that says what is spoken and who is asked")
	cmd.Flags().VarP(&flags.format, "output", "o", "form of the output")
	return cmd
}

// dns is viaduct dns.
func dns(cmd *cobra.Command, flags *dnsFlags, text string) error {
	text = asURI(text)
	uri, err := sip.ParseURI([]byte(text))
	if err != nil {
		return fmt.Errorf("%s is no URI: %w", text, err)
	}
	cfg, speaks := new(config.Config), resolve.Everything()
	if flags.file != "" {
		var diags config.Diagnostics
		cfg, diags = config.Load(flags.file, config.Options{Check: true})
		if err := refused(cmd.ErrOrStderr(), diags); err != nil {
			return err
		}
		speaks = cfg.Speaks()
	}
	if flags.resolvers != nil {
		cfg.Resolvers = flags.resolvers
	}
	return action(func(cmd *cobra.Command, _ []string) error {
		q, err := resolve.QueryOf(&uri, speaks)
		if err != nil {
			return err
		}
		if flags.transport.value != "" {
			q.Transport = flow.ParseProtocol([]byte(flags.transport.value))
		}
		return walk(cmd, cfg, q, flags.format.value)
	})(cmd, nil)
}

// asURI makes a sip URI of a host, with or without a port or a user.
func asURI(text string) string {
	scheme, _, _ := strings.Cut(strings.ToLower(text), ":")
	switch scheme {
	case "sip", "sips", "tel":
		return text
	}
	return "sip:" + text
}

// walk looks q up and prints the report.
func walk(cmd *cobra.Command, cfg *config.Config, q resolve.Query, format string) error {
	servers, hosts, err := cfg.DNS()
	if err != nil {
		fmt.Fprintf(cmd.ErrOrStderr(), "viaduct: %v\n", err)
	}
	r := resolve.New(resolve.Config{Servers: servers, Hosts: hosts}, nil)
	report, none := r.Report(cmd.Context(), q)
	if format == "json" {
		err = writeJSON(cmd.OutOrStdout(), report)
	} else {
		_, err = report.WriteTo(cmd.OutOrStdout())
	}
	if err == nil && none != nil {
		err = &failure{code: exitFailure} // the report has said why
	}
	return err
}
