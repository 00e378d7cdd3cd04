# A forwarding proxy on loopback: every call goes where its Request-URI says, as
# long as that is this machine. For trying things out and for load tests.

listen "udp" { address = "127.0.0.1:5060" }

# No condition: every request. Because the only listener is on loopback, nothing
# but loopback is ever spoken to; on another address this would be an open relay.
rule "forward" {
  send = request_uri
}
