listen "udp" { address = "127.0.0.1:5060" }
network "office" { cidrs = ["192.0.2.0/24"] }
rule "office" {
  when = method == INVITE && local(dest.domain)
  send = "sip:192.0.2.1"
}
rule "night" {
  when = within(src.ip, network.office) && (local(dest.domain) && INVITE == method)
  send = "sip:192.0.2.2"
}
rule "some" {
  when = one_of(method, OPTIONS, INFO, BYE)
  drop = true
}
rule "one" {
  when = BYE == method && src.port == 5060
  drop = true
}
rule "two" {
  when = method == OPTIONS || method == INFO
  drop = true
}
rule "reachable" {
  when = method == OPTIONS || method == MESSAGE
  drop = true
}
rule "rest" { drop = true }
rule "last" {
  when = method == INVITE
  drop = true
}
