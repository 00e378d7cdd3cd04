# A registrar and proxy on loopback, port 5060, for trying things out.
#
#   sip:alice@127.0.0.1       rings the phones that alice has registered
#   sip:100@127.0.0.1:5080    goes where it says: any other port of this machine
#
# Try it: register two phones on this machine as alice and bob, and call each other.

server { domains = ["127.0.0.1", "localhost"] }

listen "udp" { address = "127.0.0.1:5060" } # ":5060" listens on all addresses of the machine
listen "tcp" { address = "127.0.0.1:5060" }

network "loopback" { cidrs = ["127.0.0.0/8"] }

# Who may register and call, one line for each: see docs/configuration.md.
users "demo" {
  realm = "viaduct.demo"
  file  = "demo.users"
}

# Rules are tried from top to bottom; the first whose `when` holds decides. Where
# none does, the answer is 404 for a domain of ours and 403 for any other, so
# that nobody can use this proxy to call the world.

rule "register" {
  when         = method == REGISTER
  authenticate = users.demo
  register {}
}

# Our own address is where the users are. All phones of the one who is called ring.
rule "to a user" {
  when         = local(dest.domain) && one_of(dest.port, 0, 5060)
  authenticate = users.demo
  send         = location
  ring         = "60s"
  otherwise {
    on    = "not-registered"
    reply = "480 Not Registered"
  }
}

# A call between programs on this machine: the Request-URI says where.
rule "on this machine" {
  when = within(dest.domain, network.loopback)
  send = request_uri
}
