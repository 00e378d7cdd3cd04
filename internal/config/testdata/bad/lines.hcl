listen "udp" { address = "127.0.0.1:5060" }
rule "a" {
  when = method == INVITE &&
    local(dest.domain)
  drop = true
}
