# RFC 3261 §10.3 step 7. Malformed is an hour, too long is shortened.
set max 2h
set min 5m
> REGISTER sip:example.com
> Contact: <sip:a@192.0.2.10>;expires=abc, <sip:b@192.0.2.10>;expires, <sip:c@192.0.2.10>;expires=4294967296
> Contact: <sip:d@192.0.2.10>;expires=99999999999999999999, <sip:e@192.0.2.10>, <sip:f@192.0.2.10>;expires=-1
< 200 OK
< Contact: <sip:f@192.0.2.10>;expires=3600
< Contact: <sip:e@192.0.2.10>;expires=3600
< Contact: <sip:d@192.0.2.10>;expires=7200
< Contact: <sip:c@192.0.2.10>;expires=7200
< Contact: <sip:b@192.0.2.10>;expires=3600
< Contact: <sip:a@192.0.2.10>;expires=3600

> REGISTER sip:example.com
> CSeq: 2 REGISTER
> Expires: Thu, 01 Dec 1994 16:00:00 GMT
> Contact: <sip:a@192.0.2.10>
< 200 OK
< Contact: <sip:f@192.0.2.10>;expires=3600
< Contact: <sip:e@192.0.2.10>;expires=3600
< Contact: <sip:d@192.0.2.10>;expires=7200
< Contact: <sip:c@192.0.2.10>;expires=7200
< Contact: <sip:b@192.0.2.10>;expires=3600
< Contact: <sip:a@192.0.2.10>;expires=3600

# Above 0 and below the minimum: 423 with the minimum, for all of the request.
> REGISTER sip:example.com
> CSeq: 3 REGISTER
> Contact: <sip:a@192.0.2.10>;expires=900, <sip:b@192.0.2.10>;expires=299
< 423 Interval Too Brief
< Min-Expires: 300
> REGISTER sip:example.com
> CSeq: 3 REGISTER
> Expires: 1
> Contact: <sip:a@192.0.2.10>
< 423 Interval Too Brief
< Min-Expires: 300
show sip:bob@example.com
  sip:f@192.0.2.10 q=1000 flow=udp 192.0.2.10:5060
  sip:e@192.0.2.10 q=1000 flow=udp 192.0.2.10:5060
  sip:d@192.0.2.10 q=1000 flow=udp 192.0.2.10:5060
  sip:c@192.0.2.10 q=1000 flow=udp 192.0.2.10:5060
  sip:b@192.0.2.10 q=1000 flow=udp 192.0.2.10:5060
  sip:a@192.0.2.10 q=1000 flow=udp 192.0.2.10:5060

# An hour is never too brief, and nothing is made longer than it was asked for.
set min 2h
> REGISTER sip:example.com
> CSeq: 4 REGISTER
> Contact: <sip:a@192.0.2.10>;expires=3600
< 200 OK
< Contact: <sip:f@192.0.2.10>;expires=3600
< Contact: <sip:e@192.0.2.10>;expires=3600
< Contact: <sip:d@192.0.2.10>;expires=7200
< Contact: <sip:c@192.0.2.10>;expires=7200
< Contact: <sip:b@192.0.2.10>;expires=3600
< Contact: <sip:a@192.0.2.10>;expires=3600

# The default of the server is not judged by its own minimum.
set default 10s
> REGISTER sip:example.com
> CSeq: 5 REGISTER
> Contact: <sip:b@192.0.2.10>
< 200 OK
< Contact: <sip:f@192.0.2.10>;expires=3600
< Contact: <sip:e@192.0.2.10>;expires=3600
< Contact: <sip:d@192.0.2.10>;expires=7200
< Contact: <sip:c@192.0.2.10>;expires=7200
< Contact: <sip:b@192.0.2.10>;expires=10
< Contact: <sip:a@192.0.2.10>;expires=3600
