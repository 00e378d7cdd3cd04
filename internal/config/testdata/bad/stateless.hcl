server { mode = "stateless" }
listen "udp" { address = "192.0.2.1:5060" }
listen "udp" {
  address = "192.0.2.1:5070"
  name    = "inner"
  mode    = "stateful"
}
group "by_agent" {
  balance = hash(user_agent)
  target "sip:192.0.2.10" {}
  target "sip:192.0.2.11" {}
}
rule "to a caller's contact" {
  when = header["X-Cell"] == "1"
  send = "sip:${contact.user}@192.0.2.10"
}
rule "known only inside" {
  when = listener == "inner" && has(contact.user)
  send = ["sip:192.0.2.10", "sip:192.0.2.11"]
}
rule "what is no INVITE may read it" {
  when = one_of(method, REGISTER, SUBSCRIBE) && has(user_agent)
  send = "sip:192.0.2.10"
}
rule "nor is this" {
  when = method != INVITE && has(contact.user)
  send = "sip:192.0.2.10"
}
rule "but this is" {
  when = (method == REGISTER || method == INVITE) && has(header["To"])
  send = "sip:192.0.2.10"
}
rule "answers may, too" {
  when = has(header["X-Barred"])
  reply = "403 Forbidden"
}
rule "of a dialog" {
  when = has(to.tag) && header["From"] != "" && header["call-id"] != "" && has(header["i"])
  send = "sip:192.0.2.10"
}
rule "two" {
  when      = dest.user == "2"
  send      = ["sip:192.0.2.10", "sip:192.0.2.11"]
  redirects = "follow"
}
rule "group" {
  when = one_of(listener, "inner", "udp 192.0.2.1:5060") && from.tag != "" && src.port != 0
  send = group.by_agent
}
