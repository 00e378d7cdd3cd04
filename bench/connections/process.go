package main

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// processes are those of the server.
type processes []int

// Set and String are for the flag: "12,13".
func (p *processes) Set(s string) error {
	for f := range strings.FieldsFuncSeq(s, func(r rune) bool { return r == ',' || r == ' ' }) {
		n, err := strconv.Atoi(f)
		if err != nil {
			return err
		}
		*p = append(*p, n)
	}
	return nil
}

func (p *processes) String() string { return fmt.Sprint([]int(*p)) }

// tick is what the kernel counts CPU time in (proc(5): sysconf(_SC_CLK_TCK), 100 on Linux).
const tick = 10 * time.Millisecond

// cpu is the time that they have used, user and system.
func (p processes) cpu() (sum time.Duration) {
	for _, pid := range p {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			continue
		}
		fields := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
		for _, f := range fields[11:13] { // utime, stime
			n, _ := strconv.Atoi(f)
			sum += time.Duration(n) * tick
		}
	}
	return sum
}

// memory is what is their own, in bytes: pages shared are counted in part.
func (p processes) memory() (sum int) {
	for _, pid := range p {
		f, err := os.Open(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
		if err != nil {
			continue
		}
		for s := bufio.NewScanner(f); s.Scan(); {
			if kib, ok := strings.CutPrefix(s.Text(), "Pss:"); ok {
				n, _ := strconv.Atoi(strings.Fields(kib)[0])
				sum += n << 10
			}
		}
		_ = f.Close() // only read
	}
	return sum
}
