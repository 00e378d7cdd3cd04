listen "udp" { address = "127.0.0.1:5060" }
users "empty" { realm = "example.com" }
users "both" {
  realm = "example.org"
  file  = "users"
  sql {}
}
users "both" {
  realm = "a:b"
  file  = ""
}
users "web" {
  realm      = "example.org"
  algorithms = ["SHA-256", "SHA1"]
  http { url = "ftp://users.internal" }
}
table "t" {
  key  = "user"
  rows = [{ user = "1", n = 1 }, { user = "1", n = 2 }]
}
table "good" {
  key   = "user"
  match = "longst"
  rows  = [{ user = "1", n = 1, name = "x" }]
}
table "none" { key = "user" }
table "later" {
  key = "user"
  sql {}
}
table "csv" {
  key  = "user"
  file = "missing.csv"
}
rule "register" {
  when         = method == INVITE
  authenticate = users.wbe
  register {
    max_contacts  = 1000
    expires       = "1h..60s"
    on_disconnect = "drop"
    keepalive     = "stun"
    service_route = ["sip:192.0.2.1"]
    any_path      = "yes"
  }
}
rule "columns" {
  when = table.good[dest.user].nmae == "x" || table.god[dest.user].n == 1 || table.good[dest.user] || table.good.user
  drop = true
}
rule "lets" {
  when = let.a == "1" && has(original.dest.usr)
  let  = { a = dest.user, b = let.c, a = 1, n = network.x }
  deny { reply = "403 No" }
  deny {
    when  = has(let.a)
    reply = 200
  }
  set      = { dest_usr = "1", from_user = "2", dest_uri = "x", dest_port = 70000 }
  identity = "any"
  header "To" { set = "<sip:a@example.com>" }
  header "Max-Forwards" { remove = true }
  header "a b" { remove = true }
  header "X-A" {}
  header "X-B" {
    set    = "1"
    remove = true
  }
  header "X-C" { add = "1\r\nVia: x" }
  header "X-D" { remove = false }
  response_header "Contact" { add = "x" }
  send      = location("tel:+33612345678")
  in_dialog = [BYE, "INFO"]
  ring      = "1ms"
  status    = 302
}
rule "nested" {
  when = method == BYE
  send = location
  otherwise {
    on    = ["bussy", "7xx", "200", "no-answer"]
    reply = 200
  }
  otherwise { send = request_uri }
  otherwise {
    on   = []
    drop = true
  }
}
rule "jumps" {
  when = method == INFO
  jump = route.dseks
  next = true
}
rule "circle" {
  when = method == MESSAGE
  jump = route.a
}
rule "names" {
  when = location == users.web || has(route.a) || auth.usr == "x"
  jump = "a"
}
route "a" {
  rule "to b" {
    when = method == MESSAGE
    jump = route.b
  }
  rule "to b" { jump = route["b"] }
}
route "b" {
  rule "to a" { jump = route.a }
}
route "b" {}
route "c" {}
rule "no more" {
  next = true
  ring = "5s"
}
limit "flood" { requests = 20 }
hook "fraud" { url = "http://fraud.internal" }
