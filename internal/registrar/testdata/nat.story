# A private Contact: reached by the flow, which is kept open.
from udp 192.0.2.10:61000
> REGISTER sip:example.com
> Contact: <sip:a@10.0.0.7>
< 200 OK
< Contact: <sip:a@10.0.0.7>;expires=3600
show sip:bob@example.com
  sip:a@10.0.0.7 q=1000 flow=udp 192.0.2.10:61000 nat keepalive

# The port alone differs: with rport that is a NAT, without it a client that listens elsewhere.
> REGISTER sip:example.com
> CSeq: 2 REGISTER
> Contact: <sip:a@10.0.0.7>;expires=0, <sip:b@192.0.2.10>
< 200 OK
< Contact: <sip:b@192.0.2.10>;expires=3600
show sip:bob@example.com
  sip:b@192.0.2.10 q=1000 flow=udp 192.0.2.10:61000 nat keepalive
> REGISTER sip:example.com
> CSeq: 3 REGISTER
> Via: SIP/2.0/UDP 192.0.2.10;branch=z9hG4bK1
> Contact: <sip:b@192.0.2.10>
< 200 OK
< Contact: <sip:b@192.0.2.10>;expires=3600
show sip:bob@example.com
  sip:b@192.0.2.10 q=1000 flow=udp 192.0.2.10:61000

# A public address under a Via that tells the truth was meant.
> REGISTER sip:example.com
> CSeq: 4 REGISTER
> Contact: <sip:b@203.0.113.9>, <sip:b@192.0.2.10>;expires=0
< 200 OK
< Contact: <sip:b@203.0.113.9>;expires=3600
show sip:bob@example.com
  sip:b@203.0.113.9 q=1000 flow=udp 192.0.2.10:61000

# A name is looked up, but one that does not exist.
> REGISTER sip:example.com
> CSeq: 5 REGISTER
> Contact: <sip:b@203.0.113.9>;expires=0, <sip:b@phone.example.com>, <sip:b@x1.invalid>
< 200 OK
< Contact: <sip:b@x1.invalid>;expires=3600
< Contact: <sip:b@phone.example.com>;expires=3600
show sip:bob@example.com
  sip:b@x1.invalid q=1000 flow=udp 192.0.2.10:61000 nat keepalive
  sip:b@phone.example.com q=1000 flow=udp 192.0.2.10:61000

# A stream: the port says nothing, a private address does.
from tcp 192.0.2.10:40001 7
> REGISTER sip:example.com
> To: <sip:pbx@example.com>
> Contact: <sip:pbx@192.0.2.10;transport=tcp>, <sip:pbx@10.0.0.7;transport=tcp>
< 200 OK
< Contact: <sip:pbx@10.0.0.7;transport=tcp>;expires=3600
< Contact: <sip:pbx@192.0.2.10;transport=tcp>;expires=3600
show sip:pbx@example.com
  sip:pbx@10.0.0.7;transport=tcp q=1000 flow=tcp 192.0.2.10:40001 nat
  sip:pbx@192.0.2.10;transport=tcp q=1000 flow=tcp 192.0.2.10:40001
gone tcp 192.0.2.10:40001 7
show sip:pbx@example.com
  sip:pbx@192.0.2.10;transport=tcp q=1000

# Neither is a client on TLS called anywhere but on its connection, unless it has a name.
from tls 192.0.2.10:40003 10
> REGISTER sip:example.com
> To: <sip:desk@example.com>
> Contact: <sip:desk@192.0.2.10:5061;transport=tls>, <sip:desk@phone.example.com;transport=tls>
< 200 OK
< Contact: <sip:desk@phone.example.com;transport=tls>;expires=3600
< Contact: <sip:desk@192.0.2.10:5061;transport=tls>;expires=3600
show sip:desk@example.com
  sip:desk@phone.example.com;transport=tls q=1000 flow=tls 192.0.2.10:40003
  sip:desk@192.0.2.10:5061;transport=tls q=1000 flow=tls 192.0.2.10:40003 nat

# WebSocket clients have no address.
from ws 192.0.2.10:40002 8
> REGISTER sip:example.com
> To: <sip:web@example.com>
> Contact: <sip:web@192.0.2.10;transport=ws>
< 200 OK
< Contact: <sip:web@192.0.2.10;transport=ws>;expires=3600
show sip:web@example.com
  sip:web@192.0.2.10;transport=ws q=1000 flow=ws 192.0.2.10:40002 nat

# on_disconnect = "remove": what comes over a connection goes with it.
set on_disconnect remove
from tcp 192.0.2.10:40001 9
> REGISTER sip:example.com
> To: <sip:pbx@example.com>
> CSeq: 2 REGISTER
> Contact: <sip:pbx@192.0.2.10;transport=tcp>
< 200 OK
< Contact: <sip:pbx@192.0.2.10;transport=tcp>;expires=3600
show sip:pbx@example.com
  sip:pbx@192.0.2.10;transport=tcp q=1000 flow=tcp 192.0.2.10:40001 nat
gone tcp 192.0.2.10:40001 9
show sip:pbx@example.com

# The kind of keepalive is kept with the binding; clients with outbound send theirs.
set keepalive options
from udp 192.0.2.10:61000
> REGISTER sip:example.com
> To: <sip:carol@example.com>
> Contact: <sip:c@10.0.0.7>
< 200 OK
< Contact: <sip:c@10.0.0.7>;expires=3600
show sip:carol@example.com
  sip:c@10.0.0.7 q=1000 flow=udp 192.0.2.10:61000 nat keepalive by-options
set keepalive none
> REGISTER sip:example.com
> To: <sip:carol@example.com>
> CSeq: 2 REGISTER
> Contact: <sip:c@10.0.0.7>
< 200 OK
< Contact: <sip:c@10.0.0.7>;expires=3600
show sip:carol@example.com
  sip:c@10.0.0.7 q=1000 flow=udp 192.0.2.10:61000 nat
set keepalive crlf
> REGISTER sip:example.com
> To: <sip:carol@example.com>
> CSeq: 3 REGISTER
> Supported: outbound
> Contact: <sip:c@10.0.0.8>;reg-id=1;+sip.instance="<urn:x:1>"
< 200 OK
< Contact: <sip:c@10.0.0.8>;reg-id=1;+sip.instance="<urn:x:1>";expires=3600
< Contact: <sip:c@10.0.0.7>;expires=3600
< Require: outbound
show sip:carol@example.com
  sip:c@10.0.0.8 q=1000 instance=urn:x:1 reg-id=1 flow=udp 192.0.2.10:61000 nat outbound
  sip:c@10.0.0.7 q=1000 flow=udp 192.0.2.10:61000 nat

# An address of a provider's NAT is private; maddr is where the Contact is.
from udp 192.0.2.10:5060
> REGISTER sip:example.com
> To: <sip:dave@example.com>
> Contact: <sip:d@100.64.0.1>, <sip:d@phone.example.com;maddr=10.0.0.7>, <sip:d@10.0.0.7;maddr=192.0.2.10>
< 200 OK
< Contact: <sip:d@10.0.0.7;maddr=192.0.2.10>;expires=3600
< Contact: <sip:d@phone.example.com;maddr=10.0.0.7>;expires=3600
< Contact: <sip:d@100.64.0.1>;expires=3600
show sip:dave@example.com
  sip:d@10.0.0.7;maddr=192.0.2.10 q=1000 flow=udp 192.0.2.10:5060
  sip:d@phone.example.com;maddr=10.0.0.7 q=1000 flow=udp 192.0.2.10:5060 nat keepalive
  sip:d@100.64.0.1 q=1000 flow=udp 192.0.2.10:5060 nat keepalive

# A public address that the sender takes for its own is another's: its NAT has moved it.
> REGISTER sip:example.com
> To: <sip:erin@example.com>
> Via: SIP/2.0/UDP 203.0.113.9:5062;branch=z9hG4bK1;rport
> Contact: <sip:e@203.0.113.9:5062>
< 200 OK
< Contact: <sip:e@203.0.113.9:5062>;expires=3600
show sip:erin@example.com
  sip:e@203.0.113.9:5062 q=1000 flow=udp 192.0.2.10:5060 nat keepalive

# Over UDP registered, by TCP to be called: the port says nothing.
> REGISTER sip:example.com
> To: <sip:frank@example.com>
> Contact: <sip:f@192.0.2.10:5070;transport=tcp>, <sip:f@192.0.2.10:5070;transport=udp>
< 200 OK
< Contact: <sip:f@192.0.2.10:5070;transport=udp>;expires=3600
< Contact: <sip:f@192.0.2.10:5070;transport=tcp>;expires=3600
show sip:frank@example.com
  sip:f@192.0.2.10:5070;transport=udp q=1000 flow=udp 192.0.2.10:5060 nat keepalive
  sip:f@192.0.2.10:5070;transport=tcp q=1000 flow=udp 192.0.2.10:5060

# Behind another proxy the Path or the Contact leads, not the flow.
> REGISTER sip:example.com
> To: <sip:gina@example.com>
> Via: SIP/2.0/UDP 203.0.113.9;branch=z9hG4bK0
> Via: SIP/2.0/UDP 10.0.0.7;branch=z9hG4bK1
> Contact: <sip:g@10.0.0.7>
< 200 OK
< Contact: <sip:g@10.0.0.7>;expires=3600
show sip:gina@example.com
  sip:g@10.0.0.7 q=1000

# On loopback there is no NAT: one program registers what others listen on.
from udp 127.0.0.1:40000
> REGISTER sip:example.com
> To: <sip:hugo@example.com>
> Contact: <sip:h@127.0.0.1:5071>, <sip:h@127.0.0.2:5072>, <sip:h@10.0.0.7>
< 200 OK
< Contact: <sip:h@10.0.0.7>;expires=3600
< Contact: <sip:h@127.0.0.2:5072>;expires=3600
< Contact: <sip:h@127.0.0.1:5071>;expires=3600
show sip:hugo@example.com
  sip:h@10.0.0.7 q=1000 flow=udp 127.0.0.1:40000 nat keepalive
  sip:h@127.0.0.2:5072 q=1000 flow=udp 127.0.0.1:40000
  sip:h@127.0.0.1:5071 q=1000 flow=udp 127.0.0.1:40000
