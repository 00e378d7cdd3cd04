package main

import (
	"fmt"
	"io"
	"log/slog"
	"strings"

	"viaduct/internal/config"
	"viaduct/internal/engine"
)

// announce says what the server listens on: in the log, and to the person who
// started the built-in configuration also what it will do and how to call.
func announce(out io.Writer, log *slog.Logger, addresses []engine.Address, cfg *config.Config, d *demo) {
	for _, a := range addresses {
		log.Info("listening", "listener", a.Name, "protocol", strings.ToLower(a.Protocol.String()), "address", a.Bind.String())
	}
	cfg.Warnings.Log(log)
	log.Info("running", "config", cfg.File, "version", version(), "keys", cfg.Secret.String())
	if d != nil && len(addresses) > 0 {
		fmt.Fprintf(out, welcome, addresses[0].Bind, d.passwords["alice"], d.passwords["bob"])
	}
}

// welcome is what a person reads who starts the program without a file.
const welcome = `
Viaduct runs with its built-in configuration, a registrar and proxy for trying it
out. It listens on %[1]s, udp and tcp, reachable from this machine only.

Two users may register and call each other. Their passwords are new at each start:

    alice   %[2]s
    bob     %[3]s

With a softphone: account alice, domain and proxy %[1]s, the password above; a
second one for bob; then call sip:bob@127.0.0.1. With baresip (Debian's package
baresip-core), in two terminals, from an empty directory:

    mkdir alice && echo '<sip:alice@%[1]s>;auth_user=alice;auth_pass=%[2]s' > alice/accounts
    baresip -f alice
    mkdir bob && echo '<sip:bob@%[1]s>;auth_user=bob;auth_pass=%[3]s' > bob/accounts
    baresip -f bob -e "/dial sip:alice@%[1]s"

Without phones: any other number rings the one at 127.0.0.1:5070. With sipp
(Debian's package sip-tester), in the directory of the source, two terminals:

    sipp -sf examples/sipp/uas.xml -i 127.0.0.1 -p 5070
    sipp -sf examples/sipp/uac.xml -i 127.0.0.1 -p 5080 -s 100 -m 1 %[1]s

  Watch it        viaduct run --trace bob
  Ask it          viaduct ctl status · viaduct registrations list
  Your own rules  viaduct run FILE
  Stop it         Ctrl-C: calls in setup are brought to an end first

`
