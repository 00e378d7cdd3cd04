package observe

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// textMax is how much is kept of a text from the wire.
const textMax = 120

// printable returns at most textMax bytes of a text from the wire. Control
// characters, marks that turn the direction of writing and bytes that are no
// UTF-8 are escaped, so that no message can drive the terminal.
func printable(text []byte) string {
	var out strings.Builder
	whole := len(text) <= textMax
	if !whole {
		text = text[:textMax]
	}
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		switch {
		case r == utf8.RuneError && size == 1, r < ' ', r == 0x7f:
			fmt.Fprintf(&out, `\x%02x`, text[0])
		case !unicode.IsGraphic(r):
			fmt.Fprintf(&out, `\u%04x`, r)
		default:
			out.WriteRune(r)
		}
		text = text[size:]
	}
	if !whole {
		out.WriteRune('…')
	}
	return out.String()
}

// clip shortens text to width characters.
func clip(text string, width int) string {
	if utf8.RuneCountInString(text) <= width {
		return text
	}
	return string([]rune(text)[:width-1]) + "…"
}
