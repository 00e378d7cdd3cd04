rule "crlf" {
  drop = true
  when = true
}
