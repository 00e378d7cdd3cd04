listen "udp" {
  address = "127.0.0.1:5060"
  name    = "main"
}
network "office" { cidrs = ["192.0.2.0/24"] }
group "carrier" {
  target "sip:192.0.2.1" {}
}
rule "1" {
  when = method == INVTE && local(dest.domain)
  send = group.carier
}
rule "2" {
  when = dest.usr == "100" && within(src.ip, network.ofice)
  send = [group.carrier, group["carrrier"], group]
}
rule "3" {
  when = method == invite && starts_whit(dest.user, "0")
  send = request_uri
  from = listen.mian
}
rule "4" {
  when = src == "192.0.2.1" || target.name == "x" || auth.user == "bob" || table.e164[dest.user].x == "1"
  send = request_uri
  from = main
}
rule "5" {
  when = dest.port-1 == 5059 && nothing.at.all == "x" && has(from)
  send = locatoin
}
rule "6" {
  when = header.subject == "x" && header["Via"] == "y" && header["a b"] == "z" && dest.user["x"] == ""
  send = up(group.carrier)
}
