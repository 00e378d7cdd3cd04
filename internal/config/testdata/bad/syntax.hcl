listen "udp" { address = "127.0.0.1:5060" }
rule "a" { when = method == INVITE drop = true }
rule "b" {
  when = method = INVITE
  drop
}
rule "c" { drop = true, when = true }
rule d {
  when = dest.user == '100'
  send = [request_uri group.x]
  reply = 
}
