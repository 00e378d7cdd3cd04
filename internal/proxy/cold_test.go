package proxy_test

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"viaduct/internal/flow"
	"viaduct/internal/proxy"
)

// coldRoom is more memory than the caches of one core hold, and most of what it
// may have of a shared one.
const coldRoom = 24 << 20

// cold plays calls with the caches swept before each packet, as other programs and
// the kernel do on a server that is not on full load.
type cold struct {
	*player
	room  []byte
	place proxy.Place
	spent [len(coldSteps)][]time.Duration
}

var coldSteps = [...]string{"invite", "180", "200", "ack", "bye", "200-bye"}

func (c *cold) sweep() {
	for i := 0; i < len(c.room); i += 64 {
		c.room[i]++
	}
}

// timed is one step, from the bytes of its packet on.
func (c *cold) timed(step int, wire []byte, from flow.Flow) {
	wire = bytes.Clone(wire)
	c.fx.Reset()
	c.sweep()
	began := time.Now()
	if err := c.parse.Parse(wire); err != nil {
		c.tb.Fatal(err)
	}
	c.place = proxy.PlaceOf(&c.parse, 1)
	c.element.core.Packet(c.now, &c.parse, &c.place, from, c.element.snap, &c.fx)
	c.spent[step] = append(c.spent[step], time.Since(began))
}

// BenchmarkSteps reports the median time of each step of a call and their sum, with
// warm caches and with cold ones. In the cold what a step reads and writes counts,
// and how much code it runs through. A median does not mind a busy machine.
func BenchmarkSteps(b *testing.B) {
	b.Run("warm", func(b *testing.B) { benchmarkSteps(b, 0) })
	b.Run("cold", func(b *testing.B) { benchmarkSteps(b, coldRoom) })
}

func benchmarkSteps(b *testing.B, room int) {
	c := &cold{player: newPlayer(b), room: make([]byte, room)}
	for b.Loop() {
		c.n++
		c.advance()
		c.timed(0, c.request("INVITE", 1, "", sdp), c.caller)
		invite := bytes.Clone(c.sent())
		c.timed(1, response(invite, "180 Ringing"), c.callee)
		c.timed(2, response(invite, "200 OK"), c.callee)
		route := c.routeOf(c.sent())
		c.timed(3, c.request("ACK", 1, route, ""), c.caller)
		c.timed(4, c.request("BYE", 2, route, ""), c.caller)
		c.timed(5, response(c.sent(), "200 OK"), c.callee)
	}
	var sum float64
	for i, name := range coldSteps {
		slices.Sort(c.spent[i])
		median := float64(c.spent[i][len(c.spent[i])/2])
		b.ReportMetric(median, name+"-ns")
		sum += median
	}
	b.ReportMetric(sum, "call-ns")
}
