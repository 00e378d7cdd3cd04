# Viaduct as a neighbour: every request goes to one fixed callee.

listen "udp" {
  address = "@LISTEN@"
}

rule "all" {
  send = "sip:bob@@UAS@"
}
