package resolve

import "time"

// Limits are the bounds of a resolver. A zero field means its default.
type Limits struct {
	Names     int           // names kept, in the cache and of records each; default 10000
	Questions int           // Queries that are worked on at once; default 256
	Waiters   int           // requests that wait for one Query; default 1024
	Sockets   int           // to servers at once; when half are in use, a question is at one server at a time; default 512
	Budget    time.Duration // for all of a Query; default 2s
	Try       time.Duration // until the next server is asked, doubled each round; default 500ms
	MinTTL    time.Duration // what is shorter is taken as this; default 1s
	MaxTTL    time.Duration // what is longer is taken as this; default 1h
	Negative  time.Duration // of an answer "there is none" without SOA; default 30s
	Failure   time.Duration // how long a failure is remembered, and between refreshes; default 5s
	StaleFor  time.Duration // how long hops are served after they expired; default 10m
}

// withDefaults fills the zero fields.
func (l Limits) withDefaults() Limits {
	for _, f := range []struct {
		at    *int
		value int
	}{{&l.Names, 10_000}, {&l.Questions, 256}, {&l.Waiters, 1024}, {&l.Sockets, 512}} {
		if *f.at == 0 {
			*f.at = f.value
		}
	}
	for _, f := range []struct {
		at    *time.Duration
		value time.Duration
	}{
		{&l.Budget, 2 * time.Second},
		{&l.Try, 500 * time.Millisecond},
		{&l.MinTTL, time.Second},
		{&l.MaxTTL, time.Hour},
		{&l.Negative, 30 * time.Second},
		{&l.Failure, 5 * time.Second},
		{&l.StaleFor, 10 * time.Minute},
	} {
		if *f.at == 0 {
			*f.at = f.value
		}
	}
	return l
}

// ttl clamps a time to live of a record.
func (l *Limits) ttl(seconds uint32) time.Duration {
	return min(max(time.Duration(seconds)*time.Second, l.MinTTL), l.MaxTTL)
}
