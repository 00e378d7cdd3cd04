# RFC 5626 §6: two flows of one instance, each a binding of its own although their
# Contact is the same.
set flow_timer 120s
from tcp 192.0.2.10:40001 1
> REGISTER sip:example.com
> Supported: path, outbound
> Contact: <sip:bob@10.0.0.7;transport=tcp;ob>;reg-id=1;+sip.instance="<urn:uuid:0C67446E-F1A1-11D9-94D3-000A95A0E128>"
< 200 OK
< Contact: <sip:bob@10.0.0.7;transport=tcp;ob>;reg-id=1;+sip.instance="<urn:uuid:0C67446E-F1A1-11D9-94D3-000A95A0E128>";expires=3600
< Require: outbound
< Flow-Timer: 120
from tcp 192.0.2.10:40002 2
> REGISTER sip:example.com
> Supported: path, outbound
> Call-ID: two
> Contact: <sip:bob@10.0.0.7;transport=tcp;ob>;reg-id=2;+sip.instance="<urn:uuid:0c67446e-f1a1-11d9-94d3-000a95a0e128>"
< 200 OK
< Contact: <sip:bob@10.0.0.7;transport=tcp;ob>;reg-id=2;+sip.instance="<urn:uuid:0c67446e-f1a1-11d9-94d3-000a95a0e128>";expires=3600
< Contact: <sip:bob@10.0.0.7;transport=tcp;ob>;reg-id=1;+sip.instance="<urn:uuid:0C67446E-F1A1-11D9-94D3-000A95A0E128>";expires=3600
< Require: outbound
< Flow-Timer: 120
show sip:bob@example.com
  sip:bob@10.0.0.7;transport=tcp;ob q=1000 instance=urn:uuid:0c67446e-f1a1-11d9-94d3-000a95a0e128 reg-id=2 flow=tcp 192.0.2.10:40002 nat outbound
  sip:bob@10.0.0.7;transport=tcp;ob q=1000 instance=urn:uuid:0c67446e-f1a1-11d9-94d3-000a95a0e128 reg-id=1 flow=tcp 192.0.2.10:40001 nat outbound

# The same key replaces whatever the URI and the Call-ID are, and moves to the flow.
from tcp 192.0.2.10:40003 3
> REGISTER sip:example.com
> Supported: path, outbound
> Call-ID: three
> Contact: <sip:bob@10.0.0.8;transport=tcp;ob>;reg-id=1;+sip.instance="<urn:uuid:0c67446e-f1a1-11d9-94d3-000a95a0e128>"
< 200 OK
< Contact: <sip:bob@10.0.0.7;transport=tcp;ob>;reg-id=2;+sip.instance="<urn:uuid:0c67446e-f1a1-11d9-94d3-000a95a0e128>";expires=3600
< Contact: <sip:bob@10.0.0.8;transport=tcp;ob>;reg-id=1;+sip.instance="<urn:uuid:0c67446e-f1a1-11d9-94d3-000a95a0e128>";expires=3600
< Require: outbound
< Flow-Timer: 120
show sip:bob@example.com
  sip:bob@10.0.0.7;transport=tcp;ob q=1000 instance=urn:uuid:0c67446e-f1a1-11d9-94d3-000a95a0e128 reg-id=2 flow=tcp 192.0.2.10:40002 nat outbound
  sip:bob@10.0.0.8;transport=tcp;ob q=1000 instance=urn:uuid:0c67446e-f1a1-11d9-94d3-000a95a0e128 reg-id=1 flow=tcp 192.0.2.10:40003 nat outbound

# A flow that ends takes its binding with it (§7), and no other.
gone tcp 192.0.2.10:40002 2
show sip:bob@example.com
  sip:bob@10.0.0.8;transport=tcp;ob q=1000 instance=urn:uuid:0c67446e-f1a1-11d9-94d3-000a95a0e128 reg-id=1 flow=tcp 192.0.2.10:40003 nat outbound

# It counts without Supported: outbound, too, but is not confirmed then.
> REGISTER sip:example.com
> CSeq: 2 REGISTER
> Call-ID: three
> Contact: <sip:bob@10.0.0.8;transport=tcp;ob>;reg-id=1;expires=0;+sip.instance="<urn:uuid:0c67446e-f1a1-11d9-94d3-000a95a0e128>"
< 200 OK

# A reg-id of nobody is ignored: a plain binding.
> REGISTER sip:example.com
> Supported: path, outbound
> Contact: <sip:bob@192.0.2.10>;reg-id=1
< 200 OK
< Contact: <sip:bob@192.0.2.10>;expires=3600
show sip:bob@example.com
  sip:bob@192.0.2.10 q=1000 flow=tcp 192.0.2.10:40003
# So is an instance without a reg-id.
> REGISTER sip:example.com
> CSeq: 2 REGISTER
> Supported: path, outbound
> Contact: <sip:bob@192.0.2.10>;+sip.instance="<urn:x:1>"
< 200 OK
< Contact: <sip:bob@192.0.2.10>;+sip.instance="<urn:x:1>";expires=3600
show sip:bob@example.com
  sip:bob@192.0.2.10 q=1000 instance=urn:x:1 flow=tcp 192.0.2.10:40003

# One flow at a time; contacts may be taken away beside it.
> REGISTER sip:example.com
> CSeq: 3 REGISTER
> Supported: path, outbound
> Contact: <sip:bob@192.0.2.10>, <sip:bob@192.0.2.11>;reg-id=1;+sip.instance="<urn:x:1>"
< 400 One Flow At A Time
> REGISTER sip:example.com
> CSeq: 3 REGISTER
> Supported: path, outbound
> Contact: <sip:bob@192.0.2.10>;expires=0, <sip:bob@192.0.2.11>;reg-id=1;+sip.instance="<urn:x:1>"
< 200 OK
< Contact: <sip:bob@192.0.2.11>;reg-id=1;+sip.instance="<urn:x:1>";expires=3600
< Require: outbound
< Flow-Timer: 120

# Who takes the Contact away without its key, as from the list, means all its flows;
# a plain binding of that URI comes first.
> REGISTER sip:example.com
> CSeq: 4 REGISTER
> Contact: <sip:bob@192.0.2.11>
< 200 OK
< Contact: <sip:bob@192.0.2.11>;expires=3600
< Contact: <sip:bob@192.0.2.11>;reg-id=1;+sip.instance="<urn:x:1>";expires=3600
> REGISTER sip:example.com
> Call-ID: console
> Contact: <sip:bob@192.0.2.11>;expires=0
< 200 OK
< Contact: <sip:bob@192.0.2.11>;reg-id=1;+sip.instance="<urn:x:1>";expires=3600
> REGISTER sip:example.com
> Call-ID: console
> Contact: <sip:bob@192.0.2.11>;expires=0
< 200 OK
