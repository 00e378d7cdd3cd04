package observe

import "viaduct/internal/engine"

// dnsFamilies follow a name from the request that needs it to the servers that
// are asked (RFC 3263).
var dnsFamilies = []family{
	count("names_awaited_total", "Targets and messages that had to wait for a name.", func(s *engine.Stats) uint64 { return s.Proxy.Asked }),
	count("names_late_total", "Answers about names that nobody waited for any more.", func(s *engine.Stats) uint64 { return s.Proxy.LateAnswers }),
	level("name_searches", "Names whose hops are being looked up or walked through.", func(s *engine.Stats) int { return s.Proxy.Waits }),
	level("messages_parked", "Messages that wait for a name without a transaction; 1,024 a shard at most.", func(s *engine.Stats) int { return s.Proxy.ParkedNow }),
	count("messages_parked_total", "Messages that waited for a name without a transaction.", func(s *engine.Stats) uint64 { return s.Proxy.Parked }),
	count("failovers_total", "Branches to a further hop of a name after one had failed (RFC 3263 §4.3).", func(s *engine.Stats) uint64 { return s.Proxy.Failovers }),
	count("responses_moved_total", "Responses that went to the sent-by of their Via, because where the request came from could not be reached (RFC 3263 §5).", func(s *engine.Stats) uint64 { return s.Proxy.RepliesMoved }),
	count("requests_taken_over_total", "Requests of stateless mode handled with state, because their first copy did not get through (RFC 3263 §4.4).", func(s *engine.Stats) uint64 { return s.Proxy.TakenOver }),
	level("requests_unreached", "Requests passed on without state that did not get through: their next copy is taken over (RFC 3263 §4.4).", func(s *engine.Stats) int { return s.Proxy.Unreached }),
	count("requests_unreached_forgotten_total", "Of these, forgotten sooner for want of room.", func(s *engine.Stats) uint64 { return s.Proxy.Forgotten }),
	level("hops_avoided", "Hops of names that have failed lately and are passed by while there are others (RFC 3261 §21.5.4, RFC 4321 §1.3).", func(s *engine.Stats) int { return s.Avoided }),
	count("hops_silent_total", "Hops left for the next one because they gave no sign of life.", func(s *engine.Stats) uint64 { return s.Proxy.Silent }),
	{"dns_cache_total", "What the cache knew of names that were needed.", counter, []string{"state"}, func(s *engine.Stats, emit emitter) {
		c := &s.DNS.Cache
		emit(float64(c.Hits), "hit")
		emit(float64(c.Stales), "stale")
		emit(float64(c.Negatives), "negative")
		emit(float64(c.Failures), "failed")
		emit(float64(c.Misses), "miss")
	}},
	level("dns_cache_names", "Names in the cache.", func(s *engine.Stats) int { return s.DNS.Cache.Names }),
	count("dns_cache_evicted_total", "Names that gave way to others.", func(s *engine.Stats) uint64 { return s.DNS.Cache.Evicted }),
	count("dns_questions_total", "Questions put by requests, those included that joined another.", func(s *engine.Stats) uint64 { return s.DNS.Asked }),
	level("dns_questions_open", "Names that are being looked up; 256 at most.", func(s *engine.Stats) int { return s.DNS.Open }),
	level("dns_waiting", "Requests that wait for them.", func(s *engine.Stats) int { return s.DNS.Waiting }),
	count("dns_refused_total", "Questions refused because there were too many.", func(s *engine.Stats) uint64 { return s.DNS.Refused }),
	{"dns_lookups_total", "Names looked up, by what came of it.", counter, []string{"outcome"}, func(s *engine.Stats, emit emitter) {
		emit(float64(s.DNS.Found), "found")
		emit(float64(s.DNS.None), "none")
		emit(float64(s.DNS.Failed), "failed")
	}},
	count("dns_queries_total", "Questions sent to servers.", func(s *engine.Stats) uint64 { return s.DNS.Queries }),
	count("dns_silences_total", "Of these without an answer in time.", func(s *engine.Stats) uint64 { return s.DNS.Silences }),
	count("dns_refusals_total", "Of these answered with a code that says nothing about the name.", func(s *engine.Stats) uint64 { return s.DNS.Refusals }),
	count("dns_truncated_total", "Of these asked again by TCP.", func(s *engine.Stats) uint64 { return s.DNS.Truncated }),
	count("dns_panics_total", "Lookups that failed by a fault of the program and were contained.", func(s *engine.Stats) uint64 { return s.DNS.Panics }),
}
