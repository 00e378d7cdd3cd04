package transport

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net/netip"
	"strconv"
)

// The PROXY protocol, versions 1 and 2, as its specification has it. It is read
// exactly: what stands behind the header belongs to somebody who reads it later,
// and a reader that looks ahead would need a buffer to keep it in.

const (
	signatureV2 = "\r\n\r\n\x00\r\nQUIT\n"
	prefixV1    = "PROXY "
	maxV1       = 107     // "worst case" line of the specification, line end included
	maxV2       = 2 << 10 // bytes behind the fixed part: addresses, and TLVs, which are skipped
)

var errProxyHeader = errors.New("malformed PROXY header")

// readProxyHeader reads the header and makes c the connection that it tells of.
func (c *Conn) readProxyHeader() error {
	remote, err := readProxyHeader(c.net)
	switch {
	case errors.Is(err, errProxyHeader):
		return &refusal{RefusedProxy, err}
	case err != nil:
		return err
	case !remote.IsValid(): // the proxy's own: a check of its health, as a rule
		return nil
	case !c.s.carried(c, remote):
		return &refusal{RefusedProxy, errors.New("too many connections of the source that the PROXY header names")}
	}
	return nil
}

// readProxyHeader reads one header from r and not a byte more. The zero address
// means that the connection is the proxy's own.
func readProxyHeader(r io.Reader) (netip.AddrPort, error) {
	var b [maxV1]byte
	n := len(signatureV2) // no line of version 1 is shorter
	if _, err := io.ReadFull(r, b[:n]); err != nil {
		return netip.AddrPort{}, err
	}
	if string(b[:n]) == signatureV2 {
		return readV2(r)
	}
	if string(b[:len(prefixV1)]) != prefixV1 {
		return netip.AddrPort{}, errProxyHeader
	}
	for b[n-1] != '\n' {
		if n == len(b) || bytes.IndexByte(b[:n], '\n') >= 0 {
			return netip.AddrPort{}, errProxyHeader
		}
		if _, err := io.ReadFull(r, b[n:n+1]); err != nil {
			return netip.AddrPort{}, err
		}
		n++
	}
	return parseV1(b[len(prefixV1):n])
}

// parseV1 reads what stands behind "PROXY ": protocol, two addresses and two
// ports, and a line end.
func parseV1(line []byte) (netip.AddrPort, error) {
	line, ok := bytes.CutSuffix(line, []byte("\r\n"))
	if !ok {
		return netip.AddrPort{}, errProxyHeader
	}
	if rest, ok := bytes.CutPrefix(line, []byte("UNKNOWN")); ok && (len(rest) == 0 || rest[0] == ' ') {
		return netip.AddrPort{}, nil
	}
	words := bytes.Split(line, []byte(" "))
	if len(words) != 5 || string(words[0]) != "TCP4" && string(words[0]) != "TCP6" {
		return netip.AddrPort{}, errProxyHeader
	}
	var ends [2]netip.AddrPort
	for i := range ends {
		a, err := netip.ParseAddr(string(words[1+i]))
		port, ok := parsePort(words[3+i])
		if err != nil || !ok || a.Zone() != "" || a.Is4() != (words[0][3] == '4') {
			return netip.AddrPort{}, errProxyHeader
		}
		ends[i] = netip.AddrPortFrom(a.Unmap(), port)
	}
	return sourceEnd(ends[0])
}

// parsePort reads a decimal number without sign and leading zeros.
func parsePort(b []byte) (uint16, bool) {
	n, err := strconv.ParseUint(string(b), 10, 16)
	return uint16(n), err == nil && (b[0] != '0' || len(b) == 1)
}

// sourceEnd holds that a can be where somebody connects from.
func sourceEnd(a netip.AddrPort) (netip.AddrPort, error) {
	if a.Port() == 0 || a.Addr().IsUnspecified() || a.Addr().IsMulticast() {
		return netip.AddrPort{}, errProxyHeader
	}
	return a, nil
}

// readV2 reads what stands behind the signature: version and command, family,
// length, and that many bytes.
func readV2(r io.Reader) (netip.AddrPort, error) {
	var fixed [4]byte
	if _, err := io.ReadFull(r, fixed[:]); err != nil {
		return netip.AddrPort{}, err
	}
	size := int(binary.BigEndian.Uint16(fixed[2:]))
	if fixed[0]>>4 != 2 || size > maxV2 {
		return netip.AddrPort{}, errProxyHeader
	}
	const local, proxied = 0, 1
	want := map[byte]int{0x11: 12, 0x21: 36}[fixed[1]] // TCP over IPv4, over IPv6
	switch command := fixed[0] & 0xF; {
	case command == local: // whatever addresses come with it, they mean nothing
		want = 0
	case command != proxied, want == 0, size < want:
		return netip.AddrPort{}, errProxyHeader
	}
	var b [36]byte
	if _, err := io.ReadFull(r, b[:want]); err != nil {
		return netip.AddrPort{}, err
	}
	if _, err := io.CopyN(io.Discard, r, int64(size-want)); err != nil {
		return netip.AddrPort{}, err
	}
	switch want {
	case 12:
		return sourceEnd(netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[:4])), binary.BigEndian.Uint16(b[8:])))
	case 36:
		return sourceEnd(netip.AddrPortFrom(netip.AddrFrom16([16]byte(b[:16])).Unmap(), binary.BigEndian.Uint16(b[32:])))
	}
	return netip.AddrPort{}, nil
}
