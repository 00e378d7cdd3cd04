# RFC 3261 §10.2.1: the first binding; the registrar chooses the interval.
> REGISTER sip:example.com
> Contact: <sip:bob@192.0.2.10>
< 200 OK
< Contact: <sip:bob@192.0.2.10>;expires=3600

# §10.2.3: no Contact asks for the list. Time has passed.
+100s
> REGISTER sip:example.com
> CSeq: 2 REGISTER
< 200 OK
< Contact: <sip:bob@192.0.2.10>;expires=3500

# §10.3 step 7: the expires parameter, then Expires, each with its own Contact;
# q and other parameters are kept and shown.
> REGISTER sip:example.com
> CSeq: 3 REGISTER
> Expires: 120
> Contact: "Bob" <sip:bob@192.0.2.11;transport=tcp>;q=0.25;expires=300;+video;methods="INVITE, BYE"
> Contact: <sip:bob@192.0.2.12>;q=0.7, sip:bob@192.0.2.13;audio
< 200 OK
< Contact: <sip:bob@192.0.2.13>;audio;expires=120
< Contact: <sip:bob@192.0.2.10>;expires=3500
< Contact: <sip:bob@192.0.2.12>;q=0.7;expires=120
< Contact: <sip:bob@192.0.2.11;transport=tcp>;q=0.25;+video;methods="INVITE, BYE";expires=300

# An equal URI is the same binding (§19.1.4): host without regard to case, an escape
# like its character, parameters in another order.
> REGISTER sip:example.com
> CSeq: 4 REGISTER
> Contact: <sip:%62ob@192.0.2.11;Transport=TCP>;expires=600
< 200 OK
< Contact: <sip:bob@192.0.2.13>;audio;expires=120
< Contact: <sip:%62ob@192.0.2.11;Transport=TCP>;expires=600
< Contact: <sip:bob@192.0.2.10>;expires=3500
< Contact: <sip:bob@192.0.2.12>;q=0.7;expires=120

# The default port is not the same as no port: another binding.
> REGISTER sip:example.com
> CSeq: 5 REGISTER
> Contact: <sip:bob@192.0.2.12:5060>;expires=61
< 200 OK
< Contact: <sip:bob@192.0.2.12:5060>;expires=61
< Contact: <sip:bob@192.0.2.13>;audio;expires=120
< Contact: <sip:%62ob@192.0.2.11;Transport=TCP>;expires=600
< Contact: <sip:bob@192.0.2.10>;expires=3500
< Contact: <sip:bob@192.0.2.12>;q=0.7;expires=120

# §10.2.2: expires=0 takes one away and no other; unknown ones are passed over.
> REGISTER sip:example.com
> CSeq: 6 REGISTER
> Contact: <sip:bob@192.0.2.12>;expires=0, <sip:bob@192.0.2.99>;expires=0
< 200 OK
< Contact: <sip:bob@192.0.2.12:5060>;expires=61
< Contact: <sip:bob@192.0.2.13>;audio;expires=120
< Contact: <sip:%62ob@192.0.2.11;Transport=TCP>;expires=600
< Contact: <sip:bob@192.0.2.10>;expires=3500

# Bindings end by themselves.
+61s
> REGISTER sip:example.com
> CSeq: 7 REGISTER
< 200 OK
< Contact: <sip:bob@192.0.2.13>;audio;expires=59
< Contact: <sip:%62ob@192.0.2.11;Transport=TCP>;expires=539
< Contact: <sip:bob@192.0.2.10>;expires=3439

# The wildcard takes all.
> REGISTER sip:example.com
> CSeq: 8 REGISTER
> Expires: 0
> Contact: *
< 200 OK
