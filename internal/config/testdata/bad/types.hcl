listen "udp" { address = "127.0.0.1:5060" }
network "n" { cidrs = ["10.0.0.0/8"] }
rule "1" {
  when = dest.port == "5060"
  drop = true
}
rule "2" {
  when = dest.user == 100
  drop = true
}
rule "3" {
  when = dest.user
  drop = true
}
rule "4" {
  when = method == "INVITE" || src.ip == "192.0.2" || src.ip == network.n || method == dest.user
  drop = true
}
rule "5" {
  when = !dest.port && dest.user > "5" || dest.user + 1 == 2 && -dest.user == 1
  drop = true
}
rule "6" {
  when = within(src.port, network.n) || within(src.ip, "10.0.0.1/8") || within(src.ip, ["10.0.0.0/8", dest.user])
  drop = true
}
rule "7" {
  when = matches(dest.user, "(") || matches(dest.user, from.user) || like(dest.user, "0.X") || like(dest.user)
  drop = true
}
rule "8" {
  when = transport == "upd" || one_of(dest.user, 1, "2") || dest.port == 0.5 || "${has(dest.user)}" == "true"
  drop = true
}
rule "9" {
  when = (has(dest.user) ? "a" : 1) == "a" || (dest.user ? true : false) || (local(dest.domain) ? INVITE : ACK) == method
  drop = true
}
rule "10" {
  when = [1, 2] == dest.port || has(network.n)
  drop = false
}
rule "11" {
  when = listener == "udp 127.0.0.1:5061" || env(dest.user) == "x" || env("NOT_SET") == "x" || file("missing") == "x"
  drop = true
}
