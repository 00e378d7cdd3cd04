rule "no newline" {
  drop = true # a
  when = true # b
}