rule "all" {
  otherwise {
    reply = 480
    on = "busy"
  }
  path = true
  ring = "25s"
  send = location
  # the number
  header "X-A" { set = let.a }
  set = { dest_user = "1" }
  deny { when = has(to.tag) }
  identity = "any"
  authenticate = users.staff
  let = { a = dest.user }
  when = method == INVITE
}
route "r" {
  rule "in a route" {
    next = true
    header "X-B" { remove = true }
    when = true
  }
}
