listen "udp" { address = "127.0.0.1:5060" }
rule "a" {
  when = dest.user == "100
  drop = true
}
rule "b" { nonsense }
