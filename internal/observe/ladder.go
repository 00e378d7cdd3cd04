package observe

import (
	"bytes"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"
)

const (
	columnWidth = 30
	timeWidth   = len(timeLayout) + 2
	maxPeers    = 5 // columns beside our own; the one silent longest is given away
	timeLayout  = "15:04:05.000000"
	ourName     = "viaduct"
)

// ladder draws messages between columns of peers. Our own column is the second:
// callers tend to speak first, so a call reads from left to right.
//
//	               udp 192.0.2.1:5060           viaduct            udp 192.0.2.9:5060
//	12:00:00.000001        │────────── INVITE ──────────▶│                           │
type ladder struct {
	w      io.Writer
	colour bool
	out    bytes.Buffer
	peers  []peer
	turn   int  // counts messages, for peer.last
	moved  bool // the columns changed: a heading is due
}

type peer struct {
	name string
	last int // turn of its last message
}

// flush hands what was drawn to the writer.
func (l *ladder) flush() error {
	_, err := l.w.Write(l.out.Bytes())
	l.out.Reset()
	return err
}

func (l *ladder) remark(text string) {
	l.out.WriteString(text)
	l.out.WriteByte('\n')
}

// message draws one line, and above it what introduces its call and its columns.
func (l *ladder) message(m traced) {
	l.turn++
	index := l.column(m.hop.String())
	if m.opening != nil {
		l.remark("\n#" + strconv.Itoa(m.call) + " " + m.opening.callID + "  from " + m.opening.from + "  to " + m.opening.to)
		l.moved = true
	}
	if l.moved {
		l.heading()
		l.moved = false
	}
	l.arrow(m, place(index))
}

// column finds the peer's column, or makes one.
func (l *ladder) column(name string) int {
	oldest := 0
	for i := range l.peers {
		if l.peers[i].name == name {
			l.peers[i].last = l.turn
			return i
		}
		if l.peers[i].last < l.peers[oldest].last {
			oldest = i
		}
	}
	l.moved = true
	if len(l.peers) < maxPeers {
		l.peers = append(l.peers, peer{name, l.turn})
		return len(l.peers) - 1
	}
	l.peers[oldest] = peer{name, l.turn}
	return oldest
}

// place is the position of the peer's column: the first stands left of ours.
func place(peer int) int {
	if peer == 0 {
		return 0
	}
	return peer + 1
}

// middle is the offset of the life line of the column at a position.
func middle(position int) int { return position*columnWidth + columnWidth/2 }

const ourPlace = 1

func (l *ladder) heading() {
	l.out.WriteString(strings.Repeat(" ", timeWidth))
	for position := range len(l.peers) + 1 {
		switch position {
		case ourPlace:
			l.centre(ourName)
		case 0:
			l.centre(l.peers[0].name)
		default:
			l.centre(l.peers[position-1].name)
		}
	}
	l.trimLine()
}

func (l *ladder) centre(text string) {
	text = clip(text, columnWidth-1)
	space := columnWidth - utf8.RuneCountInString(text)
	left := (space + 1) / 2
	l.out.WriteString(strings.Repeat(" ", left) + text + strings.Repeat(" ", space-left))
}

// trimLine ends a line without trailing blanks.
func (l *ladder) trimLine() {
	b := bytes.TrimRight(l.out.Bytes(), " ")
	l.out.Truncate(len(b))
	l.out.WriteByte('\n')
}

func (l *ladder) arrow(m traced, position int) {
	row := []rune(strings.Repeat(" ", middle(len(l.peers))+3))
	for p := range len(l.peers) + 1 {
		row[middle(p)] = '│'
	}
	from, to := middle(ourPlace), middle(position)
	if m.received {
		from, to = to, from
	}
	lo, hi := min(from, to), max(from, to)
	for i := lo + 1; i < hi; i++ {
		if row[i] == '│' {
			row[i] = '┼'
		} else {
			row[i] = '─'
		}
	}
	if from < to {
		row[hi-1] = '▶'
	} else {
		row[lo+1] = '◀'
	}
	label, at := []rune(" "+clip(m.label, columnWidth-8)+" "), gap(position)
	at -= len(label) / 2

	l.paint(dim, m.at.Format(timeLayout))
	l.out.WriteString("  " + string(row[:at]))
	l.paint(shade(m), string(label))
	l.out.WriteString(string(row[at+len(label):]))
	l.paint(dim, "#"+strconv.Itoa(m.call)+"  "+m.detail)
	l.trimLine()
}

// gap is the middle of the stretch of an arrow that lies next to the peer, where
// a label hides no crossing.
func gap(position int) int {
	if position < ourPlace {
		return middle(position) + columnWidth/2
	}
	return middle(position) - columnWidth/2
}

// Colours, as the terminal's select graphic rendition codes.
const (
	plain  = ""
	dim    = "2"
	bold   = "1"
	green  = "32"
	yellow = "33"
	red    = "31"
)

// shade is bold for a request; a response has the colour of its class.
func shade(m traced) string {
	switch {
	case m.request:
		return bold
	case m.status >= 300:
		return red
	case m.status >= 200:
		return green
	case m.status >= 100:
		return yellow
	}
	return plain
}

func (l *ladder) paint(colour, text string) {
	if !l.colour || colour == plain {
		l.out.WriteString(text)
		return
	}
	l.out.WriteString("\x1b[" + colour + "m" + text + "\x1b[0m")
}
