# RFC 3327 §5.3: kept with the binding, in order, and copied into the 200.
> REGISTER sip:example.com
> Via: SIP/2.0/UDP 203.0.113.5;branch=z9hG4bK0
> Via: SIP/2.0/UDP 192.0.2.10;branch=z9hG4bK1
> Supported: path
> Path: <sip:p3.example.com;lr>, <sip:p2.example.com;lr>
> Path: "Edge" <sip:p1.example.com;lr>;x=y
> Contact: <sip:bob@192.0.2.10>
< 200 OK
< Contact: <sip:bob@192.0.2.10>;expires=3600
< Path: <sip:p3.example.com;lr>, <sip:p2.example.com;lr>, "Edge" <sip:p1.example.com;lr>;x=y
show sip:bob@example.com
  sip:bob@192.0.2.10 q=1000 path=<sip:p3.example.com;lr>, <sip:p2.example.com;lr>, "Edge" <sip:p1.example.com;lr>;x=y

# A refresh replaces it.
> REGISTER sip:example.com
> CSeq: 2 REGISTER
> Via: SIP/2.0/UDP 203.0.113.5;branch=z9hG4bK0
> Via: SIP/2.0/UDP 192.0.2.10;branch=z9hG4bK1
> Supported: path
> Path: <sip:p4.example.com;lr>
> Contact: <sip:bob@192.0.2.10>
< 200 OK
< Contact: <sip:bob@192.0.2.10>;expires=3600
< Path: <sip:p4.example.com;lr>
show sip:bob@example.com
  sip:bob@192.0.2.10 q=1000 path=<sip:p4.example.com;lr>

# Without Supported: path somebody has added it behind the client's back.
> REGISTER sip:example.com
> CSeq: 3 REGISTER
> Path: <sip:p4.example.com;lr>
> Contact: <sip:bob@192.0.2.10>
< 420 Bad Extension
< Unsupported: path
set any_path true
> REGISTER sip:example.com
> CSeq: 3 REGISTER
> Path: <sip:p5.example.com;lr>
> Contact: <sip:bob@192.0.2.10>
< 200 OK
< Contact: <sip:bob@192.0.2.10>;expires=3600
< Path: <sip:p5.example.com;lr>
show sip:bob@example.com
  sip:bob@192.0.2.10 q=1000 path=<sip:p5.example.com;lr>

# RFC 3608: the same for a registration and for a fetch.
set service_route <sip:home.example.com;lr>
> REGISTER sip:example.com
> CSeq: 4 REGISTER
> Contact: <sip:bob@192.0.2.10>;expires=0
< 200 OK
< Service-Route: <sip:home.example.com;lr>
> REGISTER sip:example.com
< 200 OK
< Service-Route: <sip:home.example.com;lr>
