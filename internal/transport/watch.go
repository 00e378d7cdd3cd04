package transport

import (
	"time"

	"viaduct/internal/certificate"
)

// Watch looks after the files of all certificates until Close. It is apart from
// Serve, because a disk may hang.
func (s *Streams) Watch() {
	t := time.NewTicker(s.limits.Look)
	defer t.Stop()
	for {
		select {
		case <-s.done:
			return
		case <-t.C:
			s.lookAtFiles()
		}
	}
}

func (s *Streams) lookAtFiles() {
	s.mu.Lock()
	all := s.listeners
	s.mu.Unlock()
	for _, t := range all {
		if notices := t.renew(); len(notices) > 0 {
			s.tell(notices)
		}
	}
}

// renew puts pairs that have changed on the disk in the place of the old ones.
// Those that do not fit change nothing.
func (t *TCP) renew() (notices []Notice) {
	t.watching.Lock()
	defer t.watching.Unlock()
	use := t.settings.Load()
	if use.TLS == nil {
		return nil
	}
	set, refused := t.watch.Look(use.TLS.cfg.Disk, use.TLS.set, wall())
	for _, err := range refused {
		notices = append(notices, Notice{What: "certificate refused, the old one stays", Listener: t.listener, Err: err})
	}
	if set != use.TLS.set {
		next := *use
		next.TLS = newTLS(use.TLS.cfg, set)
		t.settings.Store(&next)
		for _, e := range certificate.Changed(use.TLS.set, set) {
			notices = append(notices, Notice{What: "certificate renewed", Listener: t.listener, Renewed: e})
		}
	}
	return notices
}

// tell has a turn run over notices.
func (s *Streams) tell(notices []Notice) {
	select {
	case <-s.done: // no turn may be called any more
	case l := <-s.lanes:
		l.batch.Notices = append(l.batch.Notices, notices...)
		l.finish()
		s.lanes <- l
	}
}
