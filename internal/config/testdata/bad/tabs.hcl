	listen "udp" { address = "127.0.0.1:5060" }
rule "tab" {
	when	= dest.user == "été" && nope
	drop = true
}
rule "control" { reply = "404 " }
