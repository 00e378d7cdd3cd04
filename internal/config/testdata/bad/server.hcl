server {
  name            = "proxy example"
  domains         = ["example.com", "*.example.com", "example.com:5060", 5]
  mode            = "stateless"
  secret          = ["short", "a secret that is long enough", 1234567890123456]
  trust           = ["192.0.2.0/24", "gateway", network.none]
  redirects       = "all"
  stray_responses = "fwd"
  drain           = "soon"
  log             = "chatty"
  server_header   = "a\nb"
  timers {
    c      = "30s"
    trying = "1s"
    t1     = "8s"
    t2     = 4
    ring   = "5m"
  }
  limits {
    parallel     = 20
    branches     = 10
    transactions = -1
    max_breadth  = "60"
  }
}
destinations {
  allow = "10.0.0.0/33"
  deny  = dest.domain
}
listen "udp" { address = "proxy.example.com:5060" }
listen "udp" { address = "127.0.0.1" }
listen "udp" { address = ":0" }
listen "udp" { address = "127.0.0.1:5060" }
listen "udp" { address = "127.0.0.1:5060" }
listen "udp" {
  address   = "127.0.0.1:5061"
  name      = "x"
  advertise = "sip:host"
}
listen "udp" {
  address   = "127.0.0.1:5062"
  name      = "x"
  advertise = { "10.0.0.1/8" = "10.0.0.1" }
}
network "a" { cidrs = "192.0.2.1/24" }
network "a" { cidrs = [["192.0.2.0/24"]] }
network "b" {}
listen "udp" {
  address = "127.0.0.1:5063"
  name    = "udp 127.0.0.1:5064"
}
listen "udp" { address = "127.0.0.1:5064" }
