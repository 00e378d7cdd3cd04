package site

import (
	"cmp"
	"slices"

	"viaduct/internal/observe"
	"viaduct/internal/users"
)

// Stats reads the numbers of the directory and of the sources of users.
func (s *Site) Stats() observe.SiteStats {
	stats := observe.SiteStats{Location: s.directory.Stats()}
	s.mu.Lock()
	defer s.mu.Unlock()
	seen := map[string]bool{}
	for d, from := range s.sources {
		// While a reload changes where the users of a realm are, it has two sources.
		if !seen[d.realm] {
			seen[d.realm] = true
			stats.Sources = append(stats.Sources, from.stats(d.realm))
		}
	}
	slices.SortFunc(stats.Sources, func(a, b observe.SourceStats) int { return cmp.Compare(a.Realm, b.Realm) })
	return stats
}

// stats reads those of one source.
func (from *source) stats(realm string) observe.SourceStats {
	s := observe.SourceStats{Realm: realm}
	switch u := from.Users.(type) {
	case *users.Live:
		s.Users, s.Faults = u.Table().Len(), u.Faults()
	case *users.HTTP:
		s.HTTP = u.Stats()
	case *table:
		s.Users, s.Faults = len(*u.state.Load()), u.faults.Load()
	}
	return s
}
