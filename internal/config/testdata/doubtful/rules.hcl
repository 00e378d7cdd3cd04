listen "udp" { address = "192.0.2.1:5060" }
server { domains = ["example.com"] }

rule "reads what set changes" {
  when = method == INVITE && starts_with(dest.user, "0")
  set  = { dest_user = replace_prefix(dest.user, "0", "+49") }
  deny {
    when = starts_with(dest.user, "+49900") || request_uri == "sip:x@example.com" || dest.port == 5070
  }
  deny { when = starts_with(original.dest.user, "0900") && from.user != "boss" && dest.domain == "a.example.com" }
  send = request_uri
}

rule "changes the whole" {
  when = method == MESSAGE && dest.user == "all"
  set  = { dest_uri = "sip:everybody@example.com" }
  deny { when = dest.params["x"] == "y" }
  send = request_uri
}

rule "goes nowhere with it" {
  when  = method == INFO
  set   = { dest_user = "x" }
  reply = "403 No"
}

rule "uses it" {
  when     = method == REFER
  set      = { dest_user = "x" }
  redirect = "sip:${dest.user}@example.net"
}

rule "says it" {
  when  = method == OPTIONS
  set   = { dest_user = "x" }
  reply = "404 Not Here"
  response_header "X-Asked" { set = dest.user }
}

rule "drops it" {
  when = method == PUBLISH
  set  = { dest_port = 0 }
  header "X-A" {
    set = from.user
  }
  drop = true
}

route "r" {
  rule "names" {
    let  = { used = from.user, idle = to.user, through = "${let.used}" }
    deny { when = let.through == "eve" }
    send = request_uri
  }
}

rule "go" { jump = route.r }
