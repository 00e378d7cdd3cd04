package registrar_test

import (
	"bytes"
	"testing"

	"viaduct/sip"
)

// What a refresh costs beside its parsing: with a directory in memory.
func BenchmarkRegister(b *testing.B) {
	for _, c := range []struct{ name, supported string }{{"refresh", "path"}, {"refresh-gruu", "gruu"}} {
		b.Run(c.name, func(b *testing.B) {
			d := newDesk(b)
			var m sip.Message
			wire := compose("", "Supported: "+c.supported, "CSeq: 0000000001 REGISTER",
				`Contact: <sip:bob@10.0.0.7:5060;ob>;+sip.instance="<urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6>"`)
			digits := wire[bytes.Index(wire, []byte("0000000001")):][:10]
			out := make([]byte, 0, 4096)
			b.ReportAllocs()
			for i := 1; b.Loop(); i++ {
				for n, at := i, len(digits)-1; at >= 0; n, at = n/10, at-1 {
					digits[at] = byte('0' + n%10)
				}
				if err := m.Parse(wire); err != nil {
					b.Fatal(err)
				}
				if out = d.step(&m, out[:0]); d.last != 200 {
					b.Fatal(d.last)
				}
			}
		})
	}
}
