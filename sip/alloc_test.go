package sip_test

import (
	"testing"

	"viaduct/sip"
)

// Nothing on the path of a message allocates in steady state.
func TestAllocations(t *testing.T) {
	wire := readTorture(t, "rfc4475/wsinv")
	broken := readTorture(t, "rfc4475/mcl01")
	var m sip.Message
	var r sip.Rewriter
	dst := make([]byte, 0, 8192)
	resp := sip.Response{Status: 404, Tag: []byte("t1"), Source: source, Server: "S"}
	uri, to := []byte("sip:bob@192.0.2.4;lr"), []byte("<sip:b>;tag=2")
	var f sip.Framer
	for name, step := range map[string]func(){
		"Parse":   func() { _ = m.Parse(wire) },
		"TopVia":  func() { _, _ = m.TopVia() },
		"Check":   func() { _ = m.Parse(wire); _ = m.Check() },
		"refusal": func() { _ = m.Parse(broken); _ = m.Check(); dst = sip.AppendResponse(dst[:0], &m, &resp) },
		"views": func() {
			_ = m.Parse(wire)
			_, _ = m.Sequence()
			u, _ := m.URI()
			u.LooseRouter()
			u.Equal(u)
			m.FromTag()
			m.ToTag()
			_, _ = m.Get("NewFangledHeader")
			for it := m.Values(sip.Via); it.Next(); {
				_, _ = sip.ParseVia(it.Value.Text)
			}
			for it := m.Lines(); it.Next(); {
			}
		},
		"ParseURI": func() { _, _ = sip.ParseURI(uri) },
		"rewriting": func() {
			_ = m.Parse(wire)
			r.Reset(&m)
			r.StampVia(source)
			r.PushVia(uri)
			r.PushRoute(uri)
			r.SetRequestURI(uri)
			r.SetMaxForwards(67)
			v, _ := m.First(sip.Route)
			r.RemoveValue(sip.Route, v)
			r.EnsureContentLength()
			r.Set(sip.Subject, uri)
			r.Add("X-New", uri)
			r.Replace(v, uri)
			r.DropBody()
			dst = r.AppendTo(dst[:0])
		},
		"popping":        func() { _ = m.Parse(wire); r.Reset(&m); r.PopVia(); dst = r.AppendTo(dst[:0]) },
		"AppendResponse": func() { dst = sip.AppendResponse(dst[:0], &m, &resp) },
		"ACK and CANCEL": func() {
			dst = sip.AppendAck(dst[:0], &m, to)
			dst = sip.AppendCancel(dst[:0], &m, nil)
		},
		"Framer": func() { _, _, _ = f.Next(wire) },
	} {
		step()
		if n := testing.AllocsPerRun(100, step); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}
