package overload

import "golang.org/x/net/bpf"

// What a Sieve looks at. A filter of a UDP socket sees the UDP header, too.
const (
	udpHeader = 8
	sieveFrom = udpHeader + 60 // no request is shorter up to its To
	sieveScan = 336            // offsets at which the line of To may begin
	sieveLine = 112            // bytes of it
)

// The beginnings of the line of To, in capital letters: "\nTo:" and "\nt:" with the bits
// gone that tell small letters.
const (
	small       = 0xffdfdfff
	lineTo      = 0x0a544f3a
	lineCompact = 0x0a541a00
)

// newWork are the methods that a Sieve judges beside INVITE, by their first four
// bytes. All others belong to what is under way, or are few.
var newWork = []uint32{0x52454749, 0x4f505449, 0x53554253, 0x4d455353, 0x5055424c} // REGI OPTI SUBS MESS PUBL

const invite = 0x494e5649 // INVI

// Sieve returns a program for the socket filter of the kernel that drops new work
// before it is queued, and lets a share of it through: share of 1<<32 of the INVITEs,
// half as much of what is wanted less. It drops only what is surely new: a request
// whose To stands near the beginning and ends with its angle bracket, so that it has
// no tag. Whatever it is in doubt about it lets through, for ClassOf to judge.
//
// There are no loops in such a program, so that it is long: about 2,000
// instructions, of which a message that is let through by its share meets ten. The
// kernel grows each load to fifteen and has 128 KiB for two programs
// (net.core.optmem_max; 20 in older ones, which refuse it): so a word is loaded at
// every third offset only, and what is found is looked for again to know where.
func Sieve(share uint32) ([]bpf.RawInstruction, error) {
	return bpf.Assemble(sieve(share, bpf.LoadExtension{Num: bpf.ExtRand}))
}

// sieve is that program with its dice.
func sieve(share uint32, dice bpf.Instruction) []bpf.Instruction {
	p := program{dice: dice}
	p.roomFor(sieveFrom)
	p.add(bpf.LoadAbsolute{Off: udpHeader, Size: 4})
	p.methods(share)
	near := p.lines()
	p.land(near)
	at := p.to()
	p.land(at)
	ends := p.bracket()
	p.land(ends)
	p.end()
	return p.code
}

// program is a sieve in the making.
type program struct {
	code []bpf.Instruction
	dice bpf.Instruction
}

var (
	pass = bpf.RetConstant{Val: 1<<32 - 1} // as many bytes as there are
	drop = bpf.RetConstant{Val: 0}
)

func (p *program) add(code ...bpf.Instruction) { p.code = append(p.code, code...) }

// leave adds a jump to what comes later, with X moved to where it is to look.
func (p *program) leave(jumps []int, x ...bpf.Instruction) []int {
	p.add(x...)
	p.add(bpf.Jump{})
	return append(jumps, len(p.code)-1)
}

// land has jumps lead here.
func (p *program) land(jumps []int) {
	for _, at := range jumps {
		p.code[at] = bpf.Jump{Skip: uint32(len(p.code) - at - 1)}
	}
}

// moved adds n to X.
func moved(n uint32) []bpf.Instruction {
	return []bpf.Instruction{bpf.TXA{}, bpf.ALUOpConstant{Op: bpf.ALUOpAdd, Val: n}, bpf.TAX{}}
}

// roomFor lets through what ends before the word at offset at: to load from behind
// the end drops a message.
func (p *program) roomFor(at uint32) {
	p.add(bpf.LoadExtension{Num: bpf.ExtLen}, bpf.JumpIf{Cond: bpf.JumpGreaterOrEqual, Val: at + 4, SkipTrue: 1}, pass)
}

// methods lets through what is no new work, and a share of what is.
func (p *program) methods(share uint32) {
	const throw = 3 // instructions
	others := uint8(len(newWork))
	for i, name := range newWork { // behind the rest of this, INVITE's two, its throw and the jump
		p.add(bpf.JumpIf{Cond: bpf.JumpEqual, Val: name, SkipTrue: others - 1 - uint8(i) + 2 + throw + 1})
	}
	p.add(bpf.JumpIf{Cond: bpf.JumpEqual, Val: invite, SkipTrue: 1}, pass)
	p.throw(share)
	p.add(bpf.Jump{Skip: throw})
	p.throw(share / 2)
}

// throw lets share of 1<<32 through.
func (p *program) throw(share uint32) {
	p.add(p.dice, bpf.JumpIf{Cond: bpf.JumpGreaterOrEqual, Val: share, SkipTrue: 1}, pass)
}

// stretch is how many offsets share one look at the length, and one way out.
const stretch = 24

// lines looks for a line that begins with T and leaves with X at the beginning of
// its stretch.
func (p *program) lines() (jumps []int) {
	const (
		words = stretch / 3
		each  = 10
		out   = words*each + 1 // behind the jump to the next stretch
	)
	for first := uint32(sieveFrom); first < sieveFrom+sieveScan; first += stretch {
		p.roomFor(first + stretch)
		for i := range words {
			here := i * each
			to := func(n int) uint8 { return uint8(out - (here + n) - 1) }
			p.add(
				bpf.LoadAbsolute{Off: first + 3*uint32(i), Size: 4}, bpf.TAX{},
				bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: 0xffdf0000}, bpf.JumpIf{Cond: bpf.JumpEqual, Val: 0x0a540000, SkipTrue: to(3)}, bpf.TXA{},
				bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: 0x00ffdf00}, bpf.JumpIf{Cond: bpf.JumpEqual, Val: 0x000a5400, SkipTrue: to(6)}, bpf.TXA{},
				bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: 0x0000ffdf}, bpf.JumpIf{Cond: bpf.JumpEqual, Val: 0x00000a54, SkipTrue: to(9)},
			)
		}
		p.add(bpf.Jump{Skip: 2})
		jumps = p.leave(jumps, bpf.LoadConstant{Dst: bpf.RegX, Val: first})
	}
	p.add(pass)
	return jumps
}

// to finds the line of To in the stretch at X and leaves with X at it.
func (p *program) to() (jumps []int) {
	for i := range uint32(stretch) {
		p.add(
			bpf.LoadIndirect{Off: i, Size: 4},
			bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: small},
			bpf.JumpIf{Cond: bpf.JumpEqual, Val: lineTo, SkipTrue: 2},
			bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: 0xffffff00},
			bpf.JumpIf{Cond: bpf.JumpEqual, Val: lineCompact, SkipFalse: 4},
		)
		jumps = p.leave(jumps, moved(i)...)
	}
	p.add(pass)
	return jumps
}

// bracket finds the first '>' of the line at X and leaves with X at its word. Where
// the line ends before there is none.
func (p *program) bracket() (jumps []int) {
	const wayOut = 5 // instructions between this word and the next
	for k := uint32(3); k < sieveLine; k += 4 {
		p.add(bpf.LoadIndirect{Off: k, Size: 4}, bpf.StoreScratch{Src: bpf.RegA, N: 0})
		for j := range uint32(4) {
			shift := 8 * (3 - j)
			left := uint8(4 * (3 - j)) // instructions about the bytes behind
			p.add(
				bpf.LoadScratch{Dst: bpf.RegA, N: 0},
				bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: 0xff << shift},
				bpf.JumpIf{Cond: bpf.JumpEqual, Val: '>' << shift, SkipTrue: left + 3},
				bpf.JumpIf{Cond: bpf.JumpEqual, Val: '\n' << shift, SkipTrue: left + 1},
			)
		}
		p.add(bpf.Jump{Skip: wayOut}, pass)
		jumps = p.leave(jumps, moved(k)...)
	}
	p.add(pass)
	return jumps
}

// end drops what ends its line with the '>' in the word at X: there is no tag. A line
// that goes on after a fold begins with white space (RFC 3261 §7.3.1).
func (p *program) end() {
	for j := range uint32(4) {
		p.add(
			bpf.LoadIndirect{Off: j, Size: 1},
			bpf.JumpIf{Cond: bpf.JumpEqual, Val: '>', SkipFalse: 6},
			bpf.LoadIndirect{Off: j + 1, Size: 2},
			bpf.JumpIf{Cond: bpf.JumpEqual, Val: 0x0d0a, SkipFalse: 3},
			bpf.LoadIndirect{Off: j + 3, Size: 1},
			bpf.JumpIf{Cond: bpf.JumpGreaterThan, Val: ' ', SkipFalse: 1},
			drop,
			pass,
		)
	}
	p.add(pass)
}
