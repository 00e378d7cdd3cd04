package transport

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"testing"
)

// binding is a Binding Request without attributes.
func binding(attributes ...byte) []byte {
	b := binary.BigEndian.AppendUint16(nil, stunRequest)
	b = binary.BigEndian.AppendUint16(b, uint16(len(attributes)))
	b = binary.BigEndian.AppendUint32(b, stunCookie)
	b = append(b, "transaction1"...)
	return append(b, attributes...)
}

// mapped reads the XOR-MAPPED-ADDRESS of a success response, by the words of
// RFC 5389 §15.2 and not by the code under test.
func mapped(t testing.TB, b []byte) netip.AddrPort {
	t.Helper()
	if len(b) < 28 || binary.BigEndian.Uint16(b) != 0x0101 || int(binary.BigEndian.Uint16(b[2:])) != len(b)-20 {
		t.Fatalf("not a success response: %x", b)
	}
	if !bytes.Equal(b[4:20], binding()[4:20]) {
		t.Fatalf("cookie or transaction differs: %x", b)
	}
	if binary.BigEndian.Uint16(b[20:]) != 0x0020 {
		t.Fatalf("not XOR-MAPPED-ADDRESS: %x", b)
	}
	port := binary.BigEndian.Uint16(b[26:]) ^ 0x2112
	address := bytes.Clone(b[28:])
	for i := range address {
		address[i] ^= b[4+i]
	}
	a, ok := netip.AddrFromSlice(address)
	if family := map[int]byte{4: 1, 16: 2}[len(address)]; !ok || b[25] != family {
		t.Fatalf("bad address: %x", b)
	}
	return netip.AddrPortFrom(a, port)
}

// RFC 5769 §2.2 and §2.3 give the transaction and what the XORed addresses are.
func TestBindingVectors(t *testing.T) {
	request, err := hex.DecodeString("000100002112a442b7e7a701bc34d686fa87dfae")
	if err != nil {
		t.Fatal(err)
	}
	for peer, want := range map[string]string{
		"192.0.2.1:32853": "01010" + "00c" + "2112a442b7e7a701bc34d686fa87dfae" + "00200008" + "0001a147e112a643",
		"[2001:db8:1234:5678:11:2233:4455:6677]:32853": "01010" + "018" + "2112a442b7e7a701bc34d686fa87dfae" +
			"00200014" + "0002a1470113a9faa5d3f179bc25f4b5bed2b9d9",
	} {
		if got := hex.EncodeToString(appendBinding(nil, request, addrPort(t, peer))); got != want {
			t.Errorf("%s: got %s, want %s", peer, got, want)
		}
	}
}

func TestBindingAttributes(t *testing.T) {
	from := addrPort(t, "192.0.2.1:5060")
	software := []byte{0x80, 0x22, 0, 3, 'a', 'b', 'c', 0} // comprehension-optional
	priority := []byte{0x00, 0x24, 0, 4, 1, 2, 3, 4}       // required, and not known here
	if got := mapped(t, appendBinding(nil, binding(software...), from)); got != from {
		t.Errorf("got %s", got)
	}
	b := appendBinding(nil, binding(append(software, priority...)...), from)
	if len(b) < 28 || binary.BigEndian.Uint16(b) != stunFailure || b[26] != 4 || b[27] != 20 {
		t.Fatalf("want error 420 (RFC 5389 §7.3.1), got %x", b)
	}
	if int(binary.BigEndian.Uint16(b[2:])) != len(b)-stunHeader || len(b)%4 != 0 {
		t.Errorf("bad length in %x", b)
	}
	if !bytes.HasSuffix(b, []byte{0x00, 0x0A, 0, 2, 0x00, 0x24, 0, 0}) {
		t.Errorf("want UNKNOWN-ATTRIBUTES with 0x0024 at the end, got %x", b)
	}
	for what, bad := range map[string][]byte{
		"attribute longer than the message": binding(0x80, 0x22, 0, 9, 1, 2, 3, 4),
		"length that is not the datagram's": append(binding(), 0, 0, 0, 0),
		"indication":                        append([]byte{0x00, 0x11}, binding()[2:]...),
		"response":                          append([]byte{0x01, 0x01}, binding()[2:]...),
		"no cookie (RFC 3489)":              append([]byte{0, 1, 0, 0, 1, 2, 3, 4}, binding()[8:]...),
		"too short":                         binding()[:19],
	} {
		if b := appendBinding(nil, bad, from); len(b) > 0 {
			t.Errorf("%s: answered %x", what, b)
		}
	}
}

func FuzzBinding(f *testing.F) {
	f.Add(binding(), uint16(5060), []byte{192, 0, 2, 1})
	f.Add(binding(0x00, 0x24, 0, 1, 1, 0, 0, 0), uint16(1), make([]byte, 16))
	f.Add(binding(0x80, 0x22, 0, 3, 1, 2, 3, 0), uint16(1), []byte{1, 2, 3, 4})
	f.Add([]byte("\x00\x01\r\n"), uint16(1), []byte{1, 2, 3, 4})
	f.Fuzz(func(t *testing.T, b []byte, port uint16, address []byte) {
		a, ok := netip.AddrFromSlice(address)
		if !ok {
			return
		}
		from := netip.AddrPortFrom(a.Unmap(), port)
		before := bytes.Clone(b)
		got := appendBinding(nil, b, from)
		if !bytes.Equal(b, before) {
			t.Fatal("the request was changed")
		}
		if len(got) > stunAnswer {
			t.Fatalf("%d bytes, room for %d", len(got), stunAnswer)
		}
		if len(got) == 0 {
			return
		}
		if kindOf(b) != stun || len(got)%4 != 0 || int(binary.BigEndian.Uint16(got[2:])) != len(got)-stunHeader ||
			!bytes.Equal(got[4:stunHeader], b[4:stunHeader]) {
			t.Fatalf("%x answered by %x", b, got)
		}
		if binary.BigEndian.Uint16(got) == stunSuccess {
			copy(b[8:], "transaction1")
			copy(got[8:], "transaction1")
			if redo := appendBinding(nil, b, from); mapped(t, redo) != from {
				t.Fatalf("%x maps to %s, want %s", redo, mapped(t, redo), from)
			}
		}
	})
}
