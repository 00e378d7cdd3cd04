package identity

import (
	"bytes"
	"strings"
	"testing"

	"viaduct/sip"
)

// FuzzEdit: whatever a stranger writes, nobody who may not know hears an identity,
// and what leaves is a message.
func FuzzEdit(f *testing.F) {
	f.Add("<sip:eve@example.com>, tel:+491", "id;critical", "<sip:a@b>")
	f.Add("\"a, b\" <sip:x@y>", "none,id", "")
	f.Fuzz(func(t *testing.T, asserted, privacy, preferred string) {
		wire := head + "P-Asserted-Identity: " + asserted + "\r\nPrivacy: " + privacy + "\r\nP-Preferred-Identity: " + preferred + "\r\n" + tail
		m := new(sip.Message)
		if strings.ContainsAny(asserted+privacy+preferred, "\r\n") || m.Parse([]byte(wire)) != nil {
			return
		}
		for _, facts := range []Facts{{}, {ToTrusted: true}, {FromTrusted: true}, {FromTrusted: true, ToTrusted: true}} {
			for _, p := range []Policy{{}, {Assert: ToAll, Withhold: true}, {Service: true}} {
				var rw sip.Rewriter
				rw.Reset(m)
				facts.Privacy = PrivacyOf(m)
				p.Edit(&rw, m, facts)
				out := rw.AppendTo(nil)
				left := new(sip.Message)
				if err := left.Parse(out); err != nil {
					t.Fatalf("%v in\n%s", err, out)
				}
				silent := !facts.FromTrusted || !facts.ToTrusted && PrivacyOf(m).has(ID)
				if silent && left.Has(sip.PAssertedIdentity) || left.Has(sip.PPreferredIdentity) {
					t.Fatalf("%+v, %+v:\n%s", p, facts, out)
				}
				if !bytes.HasPrefix(out, []byte(head)) {
					t.Fatalf("something else was changed:\n%s", out)
				}
			}
		}
	})
}
