# RFC 3261 §10.3 step 7: with the same Call-ID only a higher CSeq changes a binding.
> REGISTER sip:example.com
> CSeq: 10 REGISTER
> Contact: <sip:bob@192.0.2.10>;q=0.1
< 200 OK
< Contact: <sip:bob@192.0.2.10>;q=0.1;expires=3600

> REGISTER sip:example.com
> CSeq: 10 REGISTER
> Contact: <sip:bob@192.0.2.10>;q=0.2
< 500 Out Of Order

# The whole request fails, also for the Contact that is new.
> REGISTER sip:example.com
> CSeq: 9 REGISTER
> Contact: <sip:bob@192.0.2.11>, <sip:bob@192.0.2.10>;q=0.3
< 500 Out Of Order

# So does a removal, of one and of all.
> REGISTER sip:example.com
> CSeq: 9 REGISTER
> Contact: <sip:bob@192.0.2.10>;expires=0
< 500 Out Of Order
> REGISTER sip:example.com
> CSeq: 9 REGISTER
> Contact: *
> Expires: 0
< 500 Out Of Order
show sip:bob@example.com
  sip:bob@192.0.2.10 q=100 flow=udp 192.0.2.10:5060

# Another Call-ID wins whatever its CSeq.
> REGISTER sip:example.com
> CSeq: 1 REGISTER
> Call-ID: two
> Contact: <sip:bob@192.0.2.10>;q=0.4
< 200 OK
< Contact: <sip:bob@192.0.2.10>;q=0.4;expires=3600

# A Contact that comes twice: the last one counts.
> REGISTER sip:example.com
> CSeq: 2 REGISTER
> Call-ID: two
> Contact: <sip:bob@192.0.2.10>;q=0.5
> Contact: <sip:bob@192.0.2.10>;q=0.6
< 200 OK
< Contact: <sip:bob@192.0.2.10>;q=0.6;expires=3600
