# Forking: one number rings several phones. Targets of the same q ring together;
# the next lower q is tried when all of them have failed.

server { domains = ["example.com"] }

listen "udp" { address = ":5060" }

network "phones" { cidrs = ["192.168.10.0/24"] }

group "reception" {
  target "sip:reception@192.168.10.21" { name = "desk" }
  target "sip:reception@192.168.10.22" { name = "counter" }
  target "sip:reception@192.168.10.30" {
    name = "porter"
    q    = 0.7
  }
  target "sip:voicemail@192.168.10.5:5080" {
    name = "voicemail"
    q    = 0.1
  }
}

# A phone that redirects a call is followed, if it names a place of ours.
rule "reception" {
  when      = local(dest.domain) && one_of(dest.user, "0", "reception") && within(src.ip, network.phones)
  send      = group.reception
  redirects = "own"
}

# Extension 1NN is the phone with that address.
rule "extensions" {
  when = local(dest.domain) && like(dest.user, "1[1-9]X") && within(src.ip, network.phones)
  send = "sip:${dest.user}@192.168.10.${replace_prefix(dest.user, "1", "")}"
}

# Who has moved is told to the caller.
rule "moved" {
  when     = local(dest.domain) && dest.user == "sales"
  redirect = "sip:sales@example.org"
  status   = 301
}
