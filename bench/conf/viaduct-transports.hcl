# Viaduct on UDP and TCP: the user part says by which of them the callee is called.

listen "udp" {
  address = "@LISTEN@"
}

listen "tcp" {
  address = "@LISTEN@"
}

rule "tcp" {
  when = dest.user == "tcp"
  send = "sip:bob@@UAS@;transport=tcp"
}

rule "udp" {
  send = "sip:bob@@UAS@"
}
