# A file as somebody typed it.
server {
  domains=["example.com"]
    name =   "proxy.example.com"
  timers{
    c="200s"
  }
}
rule "a"   {

  # Where it goes.
  send= request_uri   # as it says

  redirects = "own"
  # Who may.
  # (both lines)
  when   =method==INVITE&&local( dest.domain )
  # Nothing follows.
}

rule "one line" { drop=true }
rule "blocks" {
  otherwise {
    on   = ["busy"]
    reply = "486 Busy"
  }
  ring = "25s"
  send  = location
  header "X-A" { set = "1" }
  authenticate = users.staff
  limit        = [
    limit.flood,
  ]
  /* why */ let = { a = 1 }
  header "X-B" { remove = true }
  when = true
}
route "r" {
  rule "inner" {
    reply = 404
    when = false
  }
}
rule "last" {
  drop = true
  when = true
}
