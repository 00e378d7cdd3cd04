# What `viaduct run` does without a file: a SIP proxy on loopback, port 5060.
#
#   sip:100@127.0.0.1         rings the phone at 127.0.0.1:5070
#   sip:100@127.0.0.1:5080    goes where it says: any other port of this machine
#
# Try it: start a phone, or `sipp -sn uas -p 5070`, then call sip:100@127.0.0.1.

listen "udp" {
  address = "127.0.0.1:5060" # ":5060" listens on all addresses of the machine
}

network "loopback" { cidrs = ["127.0.0.0/8"] }

# One phone. With more targets a call rings them all at once; with q = 0.5 in the
# braces of one, that one rings when the others have failed.
group "phone" {
  target "sip:127.0.0.1:5070" {}
}

# Rules are tried from top to bottom; the first whose `when` holds decides. Where
# none does, the answer is 404 for a domain of ours and 403 for any other, so
# that nobody can use this proxy to call the world.

# Our own address is the phone's number plan. The target has no user part, so
# the phone sees the number that was dialled.
rule "to the phone" {
  when = local(dest.domain) && one_of(dest.port, 0, 5060)
  send = group.phone
}

# A call between programs on this machine: the Request-URI says where.
rule "on this machine" {
  when = within(dest.domain, network.loopback)
  send = request_uri
}
