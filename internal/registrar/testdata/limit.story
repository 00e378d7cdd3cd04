# At the bound the request is refused and nobody's binding makes room.
set max_contacts 2
> REGISTER sip:example.com
> Contact: <sip:a@192.0.2.10>, <sip:b@192.0.2.10>
< 200 OK
< Contact: <sip:b@192.0.2.10>;expires=3600
< Contact: <sip:a@192.0.2.10>;expires=3600
> REGISTER sip:example.com
> Call-ID: two
> Contact: <sip:a@192.0.2.10>;q=0.1, <sip:c@192.0.2.10>
< 403 Too Many Contacts
show sip:bob@example.com
  sip:b@192.0.2.10 q=1000 flow=udp 192.0.2.10:5060
  sip:a@192.0.2.10 q=1000 flow=udp 192.0.2.10:5060

# One for another is no more than there was, in either order.
> REGISTER sip:example.com
> CSeq: 2 REGISTER
> Contact: <sip:c@192.0.2.10>, <sip:b@192.0.2.10>;expires=0
< 200 OK
< Contact: <sip:c@192.0.2.10>;expires=3600
< Contact: <sip:a@192.0.2.10>;expires=3600
# An AOR above a bound that was lowered may refresh what it has.
set max_contacts 1
> REGISTER sip:example.com
> CSeq: 3 REGISTER
> Contact: <sip:a@192.0.2.10>, <sip:c@192.0.2.10>
< 200 OK
< Contact: <sip:c@192.0.2.10>;expires=3600
< Contact: <sip:a@192.0.2.10>;expires=3600
