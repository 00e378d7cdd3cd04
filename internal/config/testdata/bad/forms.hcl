listen "udp" { address = "127.0.0.1:5060" }
rule "for" {
  when = [for m in [1, 2] : m] == 1
  drop = true
}
rule "splat" {
  when = dest.params[*] == "x" || dest.params.*.x == "y"
  drop = true
}
rule "heredoc" {
  when = dest.user == <<X
100
X
  drop = true
}
rule "directive" {
  when = dest.user == "%{if local(dest.domain)}a%{else}b%{endif}" || dest.user == "x%{for a in [1]}b%{endfor}"
  drop = true
}
rule "minus" {
  when = dest.port-src.port == 0
  drop = true
}
rule "legacy" {
  when = dest.params.0 == "x" || header[0] == "y" || header[dest.user] == "z"
  drop = true
}
rule "null" {
  when = dest.user == null
  drop = true
}
rule "object" {
  when = { a = 1 } == 1
  drop = true
}
rule "parts" {
  when = lower(dest.user).x == "" || one_of(dest.user, ["a"]...)
  drop = true
}
