# RFC 5626 §6, §11.6: the first hop has to know outbound.
> REGISTER sip:example.com
> Via: SIP/2.0/UDP 203.0.113.5;branch=z9hG4bK0
> Via: SIP/2.0/UDP 192.0.2.10;branch=z9hG4bK1
> Supported: path, outbound
> Contact: <sip:bob@10.0.0.7>;reg-id=1;+sip.instance="<urn:x:1>"
< 439 First Hop Lacks Outbound Support
> REGISTER sip:example.com
> Via: SIP/2.0/UDP 203.0.113.5;branch=z9hG4bK0
> Via: SIP/2.0/UDP 192.0.2.10;branch=z9hG4bK1
> Supported: path, outbound
> Path: <sip:p2.example.com;lr;ob>, <sip:p1.example.com;lr>
> Contact: <sip:bob@10.0.0.7>;reg-id=1;+sip.instance="<urn:x:1>"
< 439 First Hop Lacks Outbound Support

# For those who did not ask for outbound the reg-id is ignored.
> REGISTER sip:example.com
> Via: SIP/2.0/UDP 203.0.113.5;branch=z9hG4bK0
> Via: SIP/2.0/UDP 192.0.2.10;branch=z9hG4bK1
> Supported: path
> Path: <sip:p1.example.com;lr>
> Contact: <sip:bob@10.0.0.7>;reg-id=1;+sip.instance="<urn:x:1>"
< 200 OK
< Contact: <sip:bob@10.0.0.7>;+sip.instance="<urn:x:1>";expires=3600
< Path: <sip:p1.example.com;lr>
show sip:bob@example.com
  sip:bob@10.0.0.7 q=1000 instance=urn:x:1 path=<sip:p1.example.com;lr>

# The value of the first hop is the last one. The flow is its business.
> REGISTER sip:example.com
> CSeq: 2 REGISTER
> Via: SIP/2.0/UDP 203.0.113.5;branch=z9hG4bK0
> Via: SIP/2.0/UDP 192.0.2.10;branch=z9hG4bK1
> Supported: path, outbound
> Path: <sip:p2.example.com;lr>, <sip:token@p1.example.com;lr;ob>
> Contact: <sip:bob@10.0.0.8>;reg-id=1;+sip.instance="<urn:x:1>"
< 200 OK
< Contact: <sip:bob@10.0.0.8>;reg-id=1;+sip.instance="<urn:x:1>";expires=3600
< Contact: <sip:bob@10.0.0.7>;+sip.instance="<urn:x:1>";expires=3600
< Path: <sip:p2.example.com;lr>, <sip:token@p1.example.com;lr;ob>
< Require: outbound
show sip:bob@example.com
  sip:bob@10.0.0.8 q=1000 instance=urn:x:1 reg-id=1 path=<sip:p2.example.com;lr>, <sip:token@p1.example.com;lr;ob> outbound
  sip:bob@10.0.0.7 q=1000 instance=urn:x:1 path=<sip:p1.example.com;lr>
