package e2e

import (
	le "encoding/binary"
	"math"
	"os"
	"path/filepath"
	"testing"
)

// sampling is the rate of G.711, so that phones need not convert a tone.
const sampling = 8000

// tone writes 100 s of a sine wave as a WAV file, longer than any call here.
func tone(t *testing.T, dir string, hertz float64) string {
	t.Helper()
	const samples = 100 * sampling
	wav := make([]byte, 0, 44+2*samples)
	wav = append(wav, "RIFF"...)
	wav = le.LittleEndian.AppendUint32(wav, 36+2*samples)
	wav = append(wav, "WAVEfmt "...)
	wav = le.LittleEndian.AppendUint32(wav, 16) // bytes of the format
	wav = le.LittleEndian.AppendUint16(wav, 1)  // PCM
	wav = le.LittleEndian.AppendUint16(wav, 1)  // mono
	wav = le.LittleEndian.AppendUint32(wav, sampling)
	wav = le.LittleEndian.AppendUint32(wav, 2*sampling)
	wav = le.LittleEndian.AppendUint16(wav, 2)  // bytes of a sample
	wav = le.LittleEndian.AppendUint16(wav, 16) // bits of a sample
	wav = append(wav, "data"...)
	wav = le.LittleEndian.AppendUint32(wav, 2*samples)
	for i := range samples {
		s := 8000 * math.Sin(2*math.Pi*hertz*float64(i)/sampling)
		wav = le.LittleEndian.AppendUint16(wav, uint16(int16(s)))
	}
	file := filepath.Join(dir, "tone.wav")
	if err := os.WriteFile(file, wav, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// heard reports whether the last quarter of a second of a recording, which may
// still go on, is the tone. The head of the file is not looked at: a phone may
// write it last. Both record at the rate of the codec.
func heard(file string, hertz float64) bool {
	wav, err := os.ReadFile(file)
	if err != nil || len(wav) < 44 {
		return false
	}
	const window = sampling / 4
	data := wav[44:]
	if len(data) < 2*window {
		return false
	}
	data = data[len(data)&^1-2*window:]
	samples := make([]float64, window)
	for i := range samples {
		samples[i] = float64(int16(le.LittleEndian.Uint16(data[2*i:])))
	}
	return share(samples, hertz/sampling) > 0.8
}

// share is how much of the energy of samples is that of one frequency, given in
// cycles a sample, by Goertzel's algorithm: about 1 for a sine wave of it, about
// 0 for anything else.
func share(samples []float64, frequency float64) float64 {
	factor := 2 * math.Cos(2*math.Pi*frequency)
	var energy, s1, s2 float64
	for _, x := range samples {
		energy += x * x
		s1, s2 = x+factor*s1-s2, s1
	}
	if energy == 0 {
		return 0
	}
	return 2 * (s1*s1 + s2*s2 - factor*s1*s2) / (energy * float64(len(samples)))
}

func TestToneIsToldFromOthers(t *testing.T) {
	t.Parallel()
	file := tone(t, t.TempDir(), 700)
	if !heard(file, 700) {
		t.Error("the tone of 700 Hz is not heard as one")
	}
	for _, other := range []float64{440, 690, 1100} {
		if heard(file, other) {
			t.Errorf("the tone of 700 Hz is heard as one of %v Hz", other)
		}
	}
}
