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
func announce(out io.Writer, log *slog.Logger, addresses []engine.Address, cfg *config.Config, guide bool) {
	for _, a := range addresses {
		log.Info("listening", "listener", a.Name, "protocol", strings.ToLower(a.Protocol.String()), "address", a.Bind.String())
	}
	log.Info("running", "config", cfg.File, "version", version(), "keys", cfg.Secret.String())
	if guide && len(addresses) > 0 {
		fmt.Fprintf(out, welcome, addresses[0].Bind, strings.ToLower(addresses[0].Protocol.String()))
	}
}

// welcome is what a person reads who starts the program without a file.
const welcome = `
Viaduct runs with its built-in configuration, a proxy for trying it out.

  It listens on   %[2]s %[1]s, reachable from this machine only.
  A call          to this address rings the phone at 127.0.0.1:5070; to another
                  port of this machine it goes where its Request-URI says. It
                  stays on this proxy until its BYE.

Place a call: a callee in a second terminal, a caller in a third, both in the
directory of the source. (sipp is in Debian's package sip-tester.)

    sipp -sf examples/sipp/uas.xml -i 127.0.0.1 -p 5070
    sipp -sf examples/sipp/uac.xml -i 127.0.0.1 -p 5080 -s bob -m 1 %[1]s

The scenarios that are built into sipp get through, too, but take no notice of
Record-Route.

  Watch it        viaduct run --trace bob
  Ask it          viaduct ctl status
  Your own rules  viaduct run FILE
  Stop it         Ctrl-C: calls in setup are brought to an end first

`
