package observe

import "viaduct/internal/engine"

// ruleFamilies count what rules had done beyond sending a request on.
var ruleFamilies = []family{
	count("registers_accepted_total", "REGISTERs answered 200 after their change was safe (RFC 3261 §10.3).", func(s *engine.Stats) uint64 { return s.Proxy.Registers }),
	count("otherwise_total", "Further ends carried out because a send had failed.", func(s *engine.Stats) uint64 { return s.Proxy.Otherwise }),
	count("ring_over_total", "Sends given up because they had rung as long as their rule lets them.", func(s *engine.Stats) uint64 { return s.Proxy.RingOver }),
	count("keepalive_answers_total", "Responses of phones to the OPTIONS that keep their flows open.", func(s *engine.Stats) uint64 { return s.Proxy.Alive }),
	count("spare_flows_total", "Further flows of a phone that were tried because one was gone (RFC 5626 §5.3).", func(s *engine.Stats) uint64 { return s.Proxy.Spares }),
	count("late_registrations_total", "Looks at the location service that found a phone to call which has registered while others rang (RFC 3261 §16.5).", func(s *engine.Stats) uint64 { return s.Proxy.Newcomers }),
	count("rule_gone_total", "Requests in a dialog whose rule a reload removed: its edits are not made.", func(s *engine.Stats) uint64 { return s.Proxy.RuleGone }),
	count("bad_sets_total", "Edits of a Request-URI that came out as no URI, and were not made.", func(s *engine.Stats) uint64 { return s.Proxy.BadSets }),
}
