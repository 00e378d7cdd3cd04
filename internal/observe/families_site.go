package observe

import (
	"viaduct/internal/auth"
	"viaduct/internal/engine"
	"viaduct/internal/location"
	"viaduct/internal/users"
)

// authFamilies follow digest authentication (RFC 3261 §22).
var authFamilies = []family{
	{"credentials_total", "Credentials that were judged, by verdict: good, wrong, stale (a new nonce was due), absent and refused (a challenge), malformed, throttled.", counter, []string{"verdict"}, func(s *engine.Stats, emit emitter) {
		for v := range auth.NumVerdicts {
			if v != auth.Ready { // on the way to another
				emit(float64(s.Proxy.Verdicts[v]), v.String())
			}
		}
	}},
	level("nonces", "Nonces that are remembered because right credentials came with them.", func(s *engine.Stats) int { return s.Guard.Nonces }),
	level("nonces_limit", "The most nonces that are remembered.", func(s *engine.Stats) int { return s.Guard.MaxNonces }),
	count("nonces_evicted_total", "Nonces forgotten before their time; their owners get stale=true.", func(s *engine.Stats) uint64 { return s.Guard.Evicted }),
	{"guess_marks", "What is remembered about guesses of passwords: accounts and sources with wrong guesses, friends (accounts that came right from a source).", gauge, []string{"what"}, func(s *engine.Stats, emit emitter) {
		emit(float64(s.Guard.Accounts), "account")
		emit(float64(s.Guard.Sources), "source")
		emit(float64(s.Guard.Friends), "friend")
	}},
	level("guess_marks_limit", "The most that are remembered of each of these.", func(s *engine.Stats) int { return s.Guard.MaxMarks }),
	count("guesses_blocked_total", "Credentials not looked at, because there had been too many wrong guesses (503).", func(s *engine.Stats) uint64 { return s.Guard.Blocked }),
}

// SiteStats are the numbers of what stands beside the engine.
type SiteStats struct {
	Location location.Stats
	Sources  []SourceStats
}

// SourceStats are those of where the users of a realm are found.
type SourceStats struct {
	Realm  string
	Users  int    // of a file or store
	Faults uint64 // reads of it that failed, or that were not believed
	HTTP   users.Stats
}

type siteFamily = familyOf[SiteStats]

func siteCount(name, help string, read func(s *location.Stats) uint64) siteFamily {
	return siteFamily{name, help, counter, nil, func(s *SiteStats, emit emitter) { emit(float64(read(&s.Location))) }}
}

func siteLevel(name, help string, read func(s *location.Stats) int) siteFamily {
	return siteFamily{name, help, gauge, nil, func(s *SiteStats, emit emitter) { emit(float64(read(&s.Location))) }}
}

// bySource is a metric of each source of users.
func bySource(name, help string, counts bool, read func(s *SourceStats) float64) siteFamily {
	kind := gauge
	if counts {
		kind = counter
	}
	return siteFamily{name, help, kind, []string{"realm"}, func(s *SiteStats, emit emitter) {
		for i := range s.Sources {
			emit(read(&s.Sources[i]), s.Sources[i].Realm)
		}
	}}
}

// siteFamilies follow the location service (RFC 3261 §10), its store and the users.
var siteFamilies = []siteFamily{
	siteLevel("registered_aors", "Addresses-of-record that have a binding.", func(s *location.Stats) int { return s.AORs }),
	siteLevel("bindings", "Bindings, those that wait for the store included.", func(s *location.Stats) int { return s.Bindings }),
	siteLevel("directory_bytes", "Bytes held for bindings.", func(s *location.Stats) int { return s.Bytes }),
	siteLevel("store_waiting", "Changes that wait for the store.", func(s *location.Stats) int { return s.Waiting }),
	siteLevel("store_failing", "1 while the last transaction of the store is one that failed, else 0.", func(s *location.Stats) int {
		if s.Failing {
			return 1
		}
		return 0
	}),
	siteCount("store_transactions_total", "Transactions of the store.", func(s *location.Stats) uint64 { return s.Commits }),
	siteCount("store_failures_total", "Of these that failed: their REGISTERs were answered 500.", func(s *location.Stats) uint64 { return s.Failures }),
	siteCount("store_panics_total", "Of these that failed by a fault of the program and were contained.", func(s *location.Stats) uint64 { return s.Panics }),
	siteCount("directory_busy_total", "REGISTERs answered 503 because too many changes waited for the store.", func(s *location.Stats) uint64 { return s.Busy }),
	siteCount("directory_full_total", "REGISTERs answered 503 because there were as many bindings as there may be.", func(s *location.Stats) uint64 { return s.Full }),
	siteCount("bindings_expired_total", "Bindings removed because their time or their flow had ended.", func(s *location.Stats) uint64 { return s.Expired }),
	siteCount("bindings_flow_gone_total", "Bindings ended with their connection (RFC 5626 §7).", func(s *location.Stats) uint64 { return s.FlowsGone }),
	siteCount("bindings_left_out_expired_total", "Bindings in the store left out at the start: expired, or their connection was gone.", func(s *location.Stats) uint64 { return s.LoadExpired }),
	siteCount("bindings_left_out_bound_total", "Bindings in the store left out at the start: above a bound.", func(s *location.Stats) uint64 { return s.LoadRefused }),
	bySource("users", "Users of a realm in its file or in the store.", false, func(s *SourceStats) float64 { return float64(s.Users) }),
	bySource("users_faults_total", "Times that the file or the store of users was not taken: those known stay in force.", true, func(s *SourceStats) float64 { return float64(s.Faults) }),
	bySource("users_asked_total", "Questions to the service that knows the users, those included that joined another.", true, func(s *SourceStats) float64 { return float64(s.HTTP.Asked) }),
	bySource("users_refused_total", "Questions to it refused because there were too many.", true, func(s *SourceStats) float64 { return float64(s.HTTP.Refused) }),
	{"users_answers_total", "Answers of the service, by what it said.", counter, []string{"realm", "answer"}, func(s *SiteStats, emit emitter) {
		for i := range s.Sources {
			x := &s.Sources[i]
			emit(float64(x.HTTP.Known), x.Realm, "known")
			emit(float64(x.HTTP.Unknown), x.Realm, "unknown")
			emit(float64(x.HTTP.Failed), x.Realm, "failed")
		}
	}},
	bySource("users_panics_total", "Questions that failed by a fault of the program and were contained.", true, func(s *SourceStats) float64 { return float64(s.HTTP.Panics) }),
	bySource("users_open", "Users that the service is being asked for.", false, func(s *SourceStats) float64 { return float64(s.HTTP.Open) }),
	bySource("users_waiting", "Requests that wait for it.", false, func(s *SourceStats) float64 { return float64(s.HTTP.Waiting) }),
	{"users_cache_total", "What the cache of the service knew of users that were needed.", counter, []string{"realm", "state"}, func(s *SiteStats, emit emitter) {
		for i := range s.Sources {
			x, realm := &s.Sources[i].HTTP.Cache, s.Sources[i].Realm
			emit(float64(x.Hits), realm, "hit")
			emit(float64(x.Negatives), realm, "negative")
			emit(float64(x.Stales), realm, "stale")
			emit(float64(x.Failures), realm, "failed")
			emit(float64(x.Misses), realm, "miss")
		}
	}},
	bySource("users_cache_evicted_total", "Users in the cache that gave way to others.", true, func(s *SourceStats) float64 { return float64(s.HTTP.Cache.Evicted) }),
	{"users_cache_size", "Names in the cache, by whether they are users.", gauge, []string{"realm", "state"}, func(s *SiteStats, emit emitter) {
		for i := range s.Sources {
			emit(float64(s.Sources[i].HTTP.Cache.Known), s.Sources[i].Realm, "known")
			emit(float64(s.Sources[i].HTTP.Cache.Unknown), s.Sources[i].Realm, "unknown")
		}
	}},
}
