listen "udp" { address = "127.0.0.1:5060" }
group "empty" {}
group "g" {
  target "127.0.0.1:5070" {}
  target "sip:gw.example.com" {}
  target "sips:192.0.2.1" {}
  target "tel:+33612345678" {}
  target "sip:192.0.2.2;transport=tcp" {}
  target "sip:192.0.2.3?Subject=x" {}
  target "sip:192.0.2.4" { q = 1.5 }
  target "sip:192.0.2.5" { q = "high" }
  target "sip:192.0.2.6" {}
  target "SIP:192.0.2.6" {}
  target "http://192.0.2.7" {}
  target "sip:192.0.2.8;maddr=host.example.com" {}
}
group "g" {
  target "sip:192.0.2.9" {}
}
rule "1" {
  when = method == INVITE
  send = "sip:${dest.user}@gw.example.com"
}
rule "2" {
  when = method == BYE
  send = ["${dest.user}@192.0.2.1", "sip:x@", dest.user, header["X-Gateway"]]
}
rule "3" {
  when = method == INFO
  send = local(dest.domain) ? "sip:a@192.0.2.1" : "sip:b@b.example.com"
}
rule "4" {
  send = "sip:a@192.0.2.1;${dest.user}=x\u0000"
}
