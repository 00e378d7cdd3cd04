# Viaduct as the benchmark runs it: every request goes where its Request-URI says.

listen "udp" {
  address = "@LISTEN@"
}

rule "all" {
  send = request_uri
}
