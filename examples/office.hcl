# An office: phones register, call each other, fall to voicemail, and dial out
# through one carrier.

server {
  domains = ["example.com"]
  store   = "/var/lib/viaduct" # bindings, and the key that calls are recognised by
}

listen "udp" { address = ":5060" }
listen "tcp" { address = ":5060" }

network "office" { cidrs = ["192.0.2.0/24", "2001:db8:10::/48"] }
network "carrier" { cidrs = ["198.51.100.16/28"] } # where its calls come from

users "staff" {
  realm = "example.com"
  file  = "/etc/viaduct/staff.users" # one line for each user: see docs/configuration.md
}

table "emergency" {
  key  = "user"
  rows = [{ user = "112" }, { user = "15" }, { user = "17" }, { user = "18" }]
}

group "carrier" {
  target "sip:sip.carrier.example;transport=tcp" {}
}

rule "register" {
  when         = method == REGISTER
  authenticate = users.staff
  register {
    max_contacts = 5
    expires      = "60s..1h"
  }
}

# Whoever stands in the office may call for help, with a password or without.
rule "emergency" {
  when = method == INVITE && has(table.emergency[dest.user]) && within(src.ip, network.office)
  send = group.carrier
}

rule "staff" {
  when         = local(from.domain)
  authenticate = users.staff # as themselves: credentials must be the caller's
  jump         = route.desks
}

# Calls that are left come from outside; they reach the phones and nothing else.
rule "inward" {
  when = local(dest.domain) && within(src.ip, network.carrier)
  send = location
  ring = "25s"
  otherwise {
    on   = ["busy", "no-answer", "unreachable", "not-registered"]
    send = "sip:voicemail@127.0.0.1:5080"
  }
}

route "desks" {
  rule "outside line" {
    when = matches(dest.user, "^(0|\\+)[0-9]{5,}$")
    send = group.carrier
  }
  rule "phones" {
    when = local(dest.domain)
    send = location
    ring = "25s"
    otherwise {
      on   = ["busy", "no-answer", "unreachable", "not-registered"]
      send = "sip:voicemail@127.0.0.1:5080"
    }
  }
}
