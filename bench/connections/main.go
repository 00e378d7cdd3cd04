// Command connections is the peer of measurements over connections, for which the
// generator of the harness has no TLS.
//
//	connections certificates DIR   an authority, and pairs for the server and for the callee
//	connections calls …            calls by TLS at a rate; what one costs the server
//	connections idle …             idle connections and stalled handshakes; what one costs
//
//	caller ──TLS──▶ server ──TLS──▶ callee        both ends are this program
package main

import (
	"fmt"
	"os"
)

func main() {
	commands := map[string]func(args []string) error{"certificates": certificates, "calls": calls, "idle": idle}
	if len(os.Args) > 1 && commands[os.Args[1]] != nil {
		if err := commands[os.Args[1]](os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, "connections:", err)
			os.Exit(1)
		}
		return
	}
	fmt.Fprintln(os.Stderr, "usage: connections certificates | calls | idle")
	os.Exit(2)
}
