package transport

import (
	"bytes"
	"crypto/tls"
	"reflect"
	"unsafe"
)

// kept are the fields of tls.Conn that hold on to memory between records: what has
// come of the next record, what has come of a handshake, and what is decrypted and not
// read yet. crypto/tls keeps the first two at the size of the largest they ever held,
// which is that of the ClientHello, and has no way to say that a connection is idle.
var kept = []struct {
	name string
	kind reflect.Type
}{
	{"input", reflect.TypeFor[bytes.Reader]()},
	{"rawInput", reflect.TypeFor[bytes.Buffer]()},
	{"hand", reflect.TypeFor[bytes.Buffer]()},
}

// places are where these fields are in a tls.Conn, in the order of kept; none in a
// version of Go that has others, and then an idle connection is larger and nothing else.
var places = func() (list []uintptr) {
	t := reflect.TypeFor[tls.Conn]()
	for _, k := range kept {
		f, ok := t.FieldByName(k.name)
		if !ok || f.Type != k.kind {
			return nil
		}
		list = append(list, f.Offset)
	}
	return list
}()

// release gives back the buffers of an idle tls.Conn. It returns false when something is
// in them, or may be. Only reads use them, and those are of the goroutine that calls it.
func (x *secure) release() bool {
	if len(places) != len(kept) {
		return false
	}
	at := unsafe.Pointer(x.conn)
	input := (*bytes.Reader)(unsafe.Add(at, places[0]))
	raw, hand := (*bytes.Buffer)(unsafe.Add(at, places[1])), (*bytes.Buffer)(unsafe.Add(at, places[2]))
	if input.Len() > 0 || raw.Len() > 0 || hand.Len() > 0 {
		return false
	}
	*input, *raw, *hand = bytes.Reader{}, bytes.Buffer{}, bytes.Buffer{}
	return true
}
