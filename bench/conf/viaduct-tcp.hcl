# Viaduct as the benchmark runs it over TCP: every request goes where its
# Request-URI says.

listen "tcp" {
  address = "@LISTEN@"
}

rule "all" {
  send = request_uri
}
