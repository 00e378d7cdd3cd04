# Viaduct as the benchmark runs it over TLS: every request goes where its
# Request-URI says.

listen "tls" {
  address     = "@LISTEN@"
  certificate = "@TLS@/server.pem"
  key         = "@TLS@/server.key"
  ca          = "@TLS@/ca.pem"
}

rule "all" {
  send = request_uri
}
