package proxy

import (
	"viaduct/sip"
)

// validate is RFC 3261 §16.3, in its order. Step 1, the syntax, is
// sip.Message.Check; step 6, authentication, belongs to the rules.
func (c *Core) validate(rq *request) *rejection {
	if refused := rq.scheme(); refused != nil { // step 2
		return refused
	}
	if refused := rq.maxForwards(); refused != nil { // step 3
		return refused
	}
	if rq.server != nil && c.looped(rq) { // step 4; stateless mode never forks, so that Max-Forwards will do (RFC 5393 §4.2)
		c.counts.Loops++
		return rq.refuse(482, "")
	}
	if refused := rq.maxBreadth(); refused != nil { // RFC 5393 §5.3.3
		return refused
	}
	if rq.follows { // §8.2.2.3: not for ACK and CANCEL
		return nil
	}
	if rq.mixesSchemes() {
		return rq.refuse(400, "SIP Contact In A SIPS Request")
	}
	if refused := c.proxyRequire(rq); refused != nil { // step 5
		return refused
	}
	if status, reason := rq.snap.Identity.Refuse(rq.m); status != 0 { // RFC 3323 §5
		return rq.refuse(status, reason)
	}
	return nil
}

// scheme is step 2. A request with a Route may carry any scheme, since the next
// element is named there (§16.3 step 2 is a SHOULD); preprocess looks again.
func (rq *request) scheme() *rejection {
	uri, err := rq.m.URI()
	if err != nil {
		return rq.refuse(400, "Bad Request-URI")
	}
	if !rq.snap.takes(uri.Scheme) && !rq.m.Has(sip.Route) {
		return rq.refuse(416, "")
	}
	return nil
}

// maxForwards is step 3. OPTIONS may be answered as by the final recipient (§11).
func (rq *request) maxForwards() *rejection {
	n, present, err := rq.m.MaxForwardsValue()
	switch {
	case err != nil:
		return rq.refuse(400, "Bad Max-Forwards")
	case present && n == 0 && rq.m.Method() != sip.OPTIONS:
		return rq.refuse(483, "")
	}
	return nil
}

// mixesSchemes reports a request for a sips URI whose sender would be called back by a
// sip URI, and so in clear: RFC 3261 §8.1.1.8 wants a sips Contact there, RFC 5630 §5.3
// has it refused.
func (rq *request) mixesSchemes() bool {
	uri, err := rq.m.URI()
	if err != nil || uri.Scheme != sip.SIPS || !recordRoutes(rq.m) {
		return false
	}
	v, ok := rq.m.First(sip.Contact)
	if !ok {
		return false
	}
	var a sip.Address
	var u sip.URI
	return sip.ParseAddressURI(v.Text, &a, &u) == nil && u.Scheme == sip.SIP
}

// lastHop reports an OPTIONS that has reached its last hop here (§16.3 step 3).
func (rq *request) lastHop() bool {
	n, present, err := rq.m.MaxForwardsValue()
	return err == nil && present && n == 0
}

// maxBreadth reads how many branches may be outstanding: RFC 5393 §5.3.3.
func (rq *request) maxBreadth() *rejection {
	n, present, err := rq.m.MaxBreadthValue()
	switch most := rq.snap.Limits.MaxBreadth; {
	case err != nil:
		return rq.refuse(400, "Bad Max-Breadth")
	case !present || n > most:
		rq.breadth = most
	case n < 1:
		return rq.refuse(440, "")
	default:
		rq.breadth = n
	}
	return nil
}

// proxyRequire is step 5: every option that a client requires of proxies and that
// this one does not have is listed in Unsupported. The one that it may have is
// privacy, as a privacy service (RFC 3323 §4.3).
func (c *Core) proxyRequire(rq *request) *rejection { return c.unsupported(rq, sip.ProxyRequire) }

// unsupported lists what Proxy-Require, or where the server itself is the UAS Require
// (§8.2.2.3), asks for and is not to be had; nil when there is nothing.
func (c *Core) unsupported(rq *request, id sip.HeaderID) *rejection {
	if !rq.m.Has(id) {
		return nil
	}
	lines := append(c.lines[:0], "Unsupported: "...)
	first := true
	for it := rq.m.Values(id); it.Next(); {
		if id == sip.ProxyRequire && rq.snap.Identity.Serves(it.Value.Text) {
			continue
		}
		if !first {
			lines = append(lines, ", "...)
		}
		lines, first = append(lines, it.Value.Text...), false
	}
	c.lines = append(lines, "\r\n"...)
	if first { // an empty one asks for nothing either
		return nil
	}
	return rq.refuse(420, "").with(c.lines)
}
