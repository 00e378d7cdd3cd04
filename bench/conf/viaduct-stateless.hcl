# Viaduct as the stateless proxy of the benchmark: passes on by Request-URI.
server { mode = "stateless" }

listen "udp" { address = "@LISTEN@" }

rule "all" { send = request_uri }
