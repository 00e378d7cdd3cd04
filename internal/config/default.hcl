# What `viaduct run` does without a file: a registrar and proxy on loopback, port
# 5060, for two phones.
#
#   alice, bob                register with the passwords that are printed at the
#                             start, and call each other
#   sip:100@127.0.0.1         any other number rings the phone at 127.0.0.1:5070
#   sip:100@127.0.0.1:5080    goes where it says: any other port of this machine

server { domains = ["127.0.0.1", "localhost"] }

listen "udp" { address = "127.0.0.1:5060" } # ":5060" listens on all addresses of the machine
listen "tcp" { address = "127.0.0.1:5060" }

network "loopback" { cidrs = ["127.0.0.0/8"] }

# Who may register, and call alice and bob. This file is made anew at each start;
# `viaduct user add` writes one of your own. MD5 alone, for on loopback any phone is
# to get in: some give up when SHA-256, the default, is offered beside it.
users "demo" {
  realm      = "viaduct.demo"
  file       = "demo.users"
  algorithms = ["MD5"]
}

# One phone that does not register. With more targets a call rings them all at
# once; with q = 0.5 in the braces of one, that one rings when the others failed.
group "phone" {
  target "sip:127.0.0.1:5070" {}
}

# Rules are tried from top to bottom; the first whose `when` holds decides. Where
# none does, the answer is 404 for a domain of ours and 403 for any other, so
# that nobody can use this proxy to call the world.

rule "register" {
  when         = method == REGISTER
  authenticate = users.demo
  register {}
}

# All phones of the one who is called ring. Who calls must be a user too, and say
# who it is.
rule "to a user" {
  when         = local(dest.domain) && one_of(dest.port, 0, 5060) && one_of(dest.user, "alice", "bob")
  authenticate = users.demo
  send         = location
  ring         = "60s"
  otherwise {
    on    = "not-registered"
    reply = "480 Not Registered"
  }
}

# The target has no user part, so the phone sees the number that was dialled.
rule "to the phone" {
  when = local(dest.domain) && one_of(dest.port, 0, 5060)
  send = group.phone
}

# A call between programs on this machine: the Request-URI says where.
rule "on this machine" {
  when = within(dest.domain, network.loopback)
  send = request_uri
}
