# RFC 3261 §10.3 step 5: parameters do not belong to the AOR, escapes are undone, the
# host has no case; sips is the same AOR (RFC 5630 §5.2). The display name, the From
# and the user of the Request-URI name nobody.
> REGISTER sip:alice@example.com
> To: Bob <sip:%62ob@EXAMPLE.com;user=phone>
> From: <sip:carol@example.com>;tag=1
> Contact: <sip:bob@192.0.2.10>
< 200 OK
< Contact: <sip:bob@192.0.2.10>;expires=3600

> REGISTER sip:example.com
> To: <sips:bob@example.com>
< 200 OK
< Contact: <sip:bob@192.0.2.10>;expires=3600
show sip:bob@example.com
  sip:bob@192.0.2.10 q=1000 flow=udp 192.0.2.10:5060
show sip:carol@example.com
show sip:alice@example.com

# The user's case counts.
> REGISTER sip:example.com
> To: <sip:Bob@example.com>
< 200 OK

# An IPv6 literal is its value (RFC 5954 §4.2).
> REGISTER sip:example.com
> CSeq: 2 REGISTER
> Contact: <sip:bob@[2001:db8::9:1]>
< 200 OK
< Contact: <sip:bob@[2001:db8::9:1]>;expires=3600
< Contact: <sip:bob@192.0.2.10>;expires=3600
> REGISTER sip:example.com
> CSeq: 3 REGISTER
> Contact: <sip:bob@[2001:db8::9:01]>;expires=0
< 200 OK
< Contact: <sip:bob@192.0.2.10>;expires=3600
