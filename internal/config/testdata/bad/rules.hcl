listen "udp" { address = "127.0.0.1:5060" }
rule "no end" {
  when = method == INVITE
}
rule "two ends" {
  reply = 404
  send  = request_uri
}
rule "twice" {
  when = method == BYE
  drop = true
}
rule "twice" {
  when = method == INFO
  drop = true
}
rule "companions" {
  when      = method == OPTIONS
  reply     = "603 Decline"
  redirects = "follow"
  status    = 302
}
rule "statuses" {
  when  = method == PRACK
  reply = "Not Found"
}
rule "progress" {
  when  = method == UPDATE
  reply = 180
}
rule "false success" {
  when  = method == INVITE
  reply = "200 OK"
}
rule "moved" {
  when  = method == REFER
  reply = 302
}
rule "challenge" {
  when  = method == MESSAGE
  reply = 407
}
rule "lines" {
  when  = method == NOTIFY
  reply = "500 Bad\r\nX: y"
}
rule "odd redirect" {
  when     = method == PUBLISH
  redirect = ["sip:a@example.com", "nowhere", dest.user]
  status   = 404
}
rule "empty" {
  when = method == SUBSCRIBE
  send = []
}
rule "never" {
  when = false
  drop = true
}
rule "redirects" {
  send      = request_uri
  redirects = "folow"
}
