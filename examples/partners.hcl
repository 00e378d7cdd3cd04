# Companies that call each other over the Internet by TLS, each with a certificate for
# its own domain: who calls is known by the certificate (RFC 3261 §26.3.2.2), and
# nobody can call in the name of somebody else.

server {
  name    = "sip.example.com"
  domains = ["example.com"]
  store   = "/var/lib/viaduct" # bindings, and the key that calls are recognised by
}

# partners.pem holds the authorities whose certificates count, of those who call here;
# whom calls go out to is checked with those of the system, or with `ca`.
listen "tls" {
  address     = ":5061"
  advertise   = "sip.example.com"
  certificate = "/etc/viaduct/tls/fullchain.pem"
  key         = "/etc/viaduct/tls/privkey.pem"
  client_ca   = "/etc/viaduct/tls/partners.pem"
}

listen "udp" { address = ":5060" }
listen "tcp" { address = ":5060" }

users "staff" {
  realm = "example.com"
  file  = "/etc/viaduct/staff.users"
}

# Those that we have an agreement with.
table "partners" {
  key = "domain"
  rows = [
    { domain = "example.net" },
    { domain = "example.org" },
  ]
}

rule "phones" {
  when         = method == REGISTER
  authenticate = users.staff
  register {}
}

# A partner calls our users, in the name of its own domain only.
rule "from partners" {
  when = tls.peer == from.domain && has(table.partners[from.domain]) && local(dest.domain)
  send = location
}

# Whoever calls in a partner's name without its certificate is not that partner.
rule "false names" {
  when  = has(table.partners[from.domain])
  reply = "403 Certificate Needed"
}

rule "among ourselves" {
  when         = local(from.domain) && local(dest.domain)
  authenticate = users.staff
  send         = location
}

# Their domain has NAPTR and SRV records; sips never leaves TLS.
rule "to partners" {
  when         = local(from.domain) && has(table.partners[dest.domain])
  authenticate = users.staff
  send         = request_uri
}
