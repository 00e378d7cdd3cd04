# Between a PBX and a carrier: each side is known by its addresses, and calls pass
# from one to the other. Everybody else is refused.

server {
  name    = "sip.example.com"
  domains = ["example.com"]
  store   = "/var/lib/viaduct" # the key that in-dialog requests are recognised by
  drain   = "5m"               # how long a stop waits for calls in setup
}

listen "udp" {
  address = "203.0.113.5:5060"
  name    = "outside"
}

listen "udp" {
  address = "10.0.0.5:5060"
  name    = "inside"
}

network "carrier" { cidrs = ["198.51.100.16/28"] }
network "office" { cidrs = ["10.0.1.0/24"] }

# The second box is called when the first has failed: lower q comes later.
group "pbx" {
  target "sip:10.0.1.11" { name = "pbx-a" }
  target "sip:10.0.1.12" {
    name = "pbx-b"
    q    = 0.5
  }
}

group "carrier" {
  target "sip:198.51.100.20" {}
}

# Keepalives of both sides are answered here.
rule "keepalive" {
  when  = method == OPTIONS && within(src.ip, [network.carrier, network.office])
  reply = "200 OK"
}

# Scanners get no answer at all, so that they learn nothing.
rule "strangers" {
  when = !within(src.ip, [network.carrier, network.office])
  drop = true
}

rule "emergency" {
  when = within(src.ip, network.office) && one_of(dest.user, "112", "15", "17", "18")
  send = group.carrier
}

rule "premium numbers" {
  when  = within(src.ip, network.office) && like(dest.user, "08[19].")
  reply = "403 Not From Here"
}

# National numbers become international ones. The Request-URI names a domain of
# ours, so it is replaced by this URI.
rule "national" {
  when = within(src.ip, network.office) && like(dest.user, "0[1-9]XXXXXXXX") && local(dest.domain)
  send = "sip:${replace_prefix(dest.user, "0", "+33")}@198.51.100.20"
  from = listen.outside
}

rule "outbound" {
  when = within(src.ip, network.office) && matches(dest.user, "^(00|\\+)[1-9][0-9]{5,}$")
  send = group.carrier
  from = listen.outside
}

rule "inbound" {
  when = within(src.ip, network.carrier) && method != REGISTER
  send = group.pbx
  from = listen.inside
}
