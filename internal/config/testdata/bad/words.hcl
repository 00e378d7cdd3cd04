# Words that are not in the language, and words that this version does not have.
server {
  nmae    = "proxy.example.com"
  domains = ["example.com"]
  timers  = "fast"
  resolvers = ["192.0.2.53"]
  limits {
    transaction = 1000
  }
}
server {}

listne "udp" { address = "127.0.0.1:5062" }
listen "udp" { adress = "127.0.0.1:5060" }
listen "upd" { address = "127.0.0.1:5060" }
listen "tls" {
  address     = "127.0.0.1:5061"
  certificate = "cert.pem"
}
listen { address = "127.0.0.1:5060" }
listen "udp" "main" { address = "127.0.0.1:5061" }
server "x" {}

users "staff" { realm = "example.com" }
port = 5060

group "g" {
  target "sip:127.0.0.1:5070" { weight = 2 }
  balance = hash(from.user)
  health { every = "5s" }
}

rule "a" {
  when         = method == INVITE
  authenticate = users.staff
  send         = location
  ring         = "25s"
}
rule "b" {
  when {}
  register {}
}
rule "" { drop = true }
