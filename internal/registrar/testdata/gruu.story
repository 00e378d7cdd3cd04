# RFC 5627 §5.2: GRUUs for those who know them; what a client suggests is ignored.
> REGISTER sip:example.com
> Supported: gruu
> Contact: <sip:bob@192.0.2.10>;+sip.instance="<urn:uuid:F81D4FAE-7DEC-11D0-A765-00A0C91E6BF6>";pub-gruu="sip:mine@example.com;gr=x";temp-gruu="sip:t@example.com;gr"
< 200 OK
< Contact: <sip:bob@192.0.2.10>;+sip.instance="<urn:uuid:F81D4FAE-7DEC-11D0-A765-00A0C91E6BF6>";expires=3600;pub-gruu="sip:bob@example.com;gr=urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6";temp-gruu="sip:tgruu.…@example.com;gr"
> REGISTER sip:example.com
> CSeq: 2 REGISTER
> Contact: <sip:bob@192.0.2.11>
< 200 OK
< Contact: <sip:bob@192.0.2.11>;expires=3600
< Contact: <sip:bob@192.0.2.10>;+sip.instance="<urn:uuid:F81D4FAE-7DEC-11D0-A765-00A0C91E6BF6>";expires=3600
> REGISTER sip:example.com
> Supported: gruu
< 200 OK
< Contact: <sip:bob@192.0.2.11>;expires=3600
< Contact: <sip:bob@192.0.2.10>;+sip.instance="<urn:uuid:F81D4FAE-7DEC-11D0-A765-00A0C91E6BF6>";expires=3600;pub-gruu="sip:bob@example.com;gr=urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6";temp-gruu="sip:tgruu.…@example.com;gr"

# The scheme is that of the Contact (RFC 5630 §5.2.1); what may not stand in a
# parameter is escaped.
> REGISTER sips:example.com
> To: <sip:carol@example.org>
< 404 Not Found
> REGISTER sips:example.org
> To: <sip:carol@example.org>
> Supported: gruu
> Contact: <sips:carol@192.0.2.10>;+sip.instance="<urn:X-y:a%2Cb;c=d>"
< 200 OK
< Contact: <sips:carol@192.0.2.10>;+sip.instance="<urn:X-y:a%2Cb;c=d>";expires=3600;pub-gruu="sips:carol@example.org;gr=urn:x-y:a%252cb%3Bc%3Dd";temp-gruu="sips:tgruu.…@example.org;gr"

set gruu false
> REGISTER sip:example.org
> To: <sip:carol@example.org>
> Supported: gruu
< 200 OK
< Contact: <sips:carol@192.0.2.10>;+sip.instance="<urn:X-y:a%2Cb;c=d>";expires=3600
