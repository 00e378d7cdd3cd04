# Viaduct as the benchmark runs it as a registrar: calls go to what is registered.
# Lines in @…@ are there or not, by launcher.

server {
  domains = ["127.0.0.1"]
  @STORE@
}

listen "udp" {
  address = "@LISTEN@"
}

@USERS@

rule "register" {
  when = method == REGISTER
  @AUTHENTICATE@
  register {}
}

rule "calls" {
  send = location
}
