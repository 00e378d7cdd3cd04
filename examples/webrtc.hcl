# Browsers and phones of one company: browsers by secure WebSocket (RFC 7118), from
# a page that this server shows, phones by UDP, TCP and TLS. They call each other.
#
# Sound goes from end to end, by ICE and DTLS-SRTP: a browser reaches other
# browsers, and phones that know both. For those that do not, a media relay is
# needed, which this file does not have.

server {
  name    = "sip.example.com"
  domains = ["example.com"]
  store   = "/var/lib/viaduct" # bindings, and the key that calls are recognised by
}

# The page and the WebSocket have one address, so that only scripts of this page may
# open it: `origins` would name others. A page elsewhere needs no `files`.
listen "wss" {
  address     = ":443"
  certificate = "/etc/viaduct/tls/fullchain.pem"
  key         = "/etc/viaduct/tls/privkey.pem"
  files       = "/usr/share/viaduct/phone"
}

listen "tls" {
  address     = ":5061"
  advertise   = "sip.example.com"
  certificate = "/etc/viaduct/tls/fullchain.pem"
  key         = "/etc/viaduct/tls/privkey.pem"
}

listen "udp" { address = ":5060" }
listen "tcp" { address = ":5060" }

# JsSIP takes the first challenge and knows MD5 only; with phones alone, leave
# `algorithms` out: SHA-256.
users "staff" {
  realm      = "example.com"
  file       = "/etc/viaduct/staff.users"
  algorithms = ["MD5"]
}

# A browser that is closed says nothing: its binding ends with its connection.
rule "browsers" {
  when         = method == REGISTER && transport == "wss"
  authenticate = users.staff
  register {
    max_contacts  = 8
    expires       = "60s..10m"
    on_disconnect = "remove"
  }
}

rule "phones" {
  when         = method == REGISTER
  authenticate = users.staff
  register {}
}

rule "calls" {
  when         = local(from.domain) && local(dest.domain)
  authenticate = users.staff
  send         = location
  ring         = "45s"
  otherwise {
    on    = "not-registered"
    reply = "480 Not Registered"
  }
}
