package client

import (
	"bytes"
	"io"
	"regexp"
	"testing"
	"testing/iotest"
	"time"
)

// FuzzBlocks compares with a plain reading of the whole: what is handed out
// does not depend on how the bytes came, and is the whole blocks with LF.
func FuzzBlocks(f *testing.F) {
	for _, s := range []string{
		"", "\n", "\n\n\n", "a\n\n", "a\r\rb\r\r", "a\r\nb\r\n\r\nc", "a\rb\r\rc\r", "\ufeffa\n\n", "\ufeff\na\n\n", "a\n\r\nb\n\r\r\n",
		"data: x\nid: 1\n\n:\n\nid: 2\n\nda", "\r\n\r\n\r\na\r\n\n\n", "\ufeff\ufeff\n\n",
	} {
		f.Add([]byte(s))
	}
	ends := regexp.MustCompile("\r\n?")
	f.Fuzz(func(t *testing.T, in []byte) {
		s := ends.ReplaceAllString(string(bytes.TrimPrefix(in, []byte("\ufeff"))), "\n")
		var want []string
		for lines, block := bytes.SplitAfter([]byte(s), []byte("\n")), ""; len(lines) > 0; lines = lines[1:] {
			switch line := string(lines[0]); {
			case line != "\n":
				block += line
			case block != "":
				want = append(want, block+"\n")
				block = ""
			}
		}
		for name, src := range map[string]io.Reader{
			"whole":     bytes.NewReader(in),
			"by byte":   iotest.OneByteReader(bytes.NewReader(in)),
			"with EOF":  iotest.DataErrReader(bytes.NewReader(in)),
			"by halves": iotest.HalfReader(bytes.NewReader(in)),
		} {
			idle := time.AfterFunc(time.Hour, func() {})
			b := newBlocks(io.NopCloser(src), idle, time.Hour, 1<<20)
			var got []string
			buf := make([]byte, len(in)+8)
			for {
				n, err := b.Read(buf)
				if err == io.EOF && n == 0 {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, string(buf[:n]))
			}
			idle.Stop()
			if len(got) != len(want) {
				t.Fatalf("%s: %q, want %q", name, got, want)
			}
			for i := range got {
				if got[i] != want[i] {
					t.Fatalf("%s: %q, want %q", name, got, want)
				}
			}
		}
	})
}

// The limit holds also where no line ever ends.
func TestBlocksAreBounded(t *testing.T) {
	idle := time.AfterFunc(time.Hour, func() {})
	defer idle.Stop()
	for _, endless := range []string{"x", "x\n", "x\r\n", ":\n"} {
		b := newBlocks(io.NopCloser(repeat(endless)), idle, time.Hour, 1<<16)
		if n, err := b.Read(make([]byte, 10)); err != errTooLarge || n != 0 {
			t.Errorf("%q: %d, %v", endless, n, err)
		}
		if cap(b.block) > 1<<18 {
			t.Errorf("%q: held %d bytes", endless, cap(b.block))
		}
	}
}

// repeat reads as itself without end.
type repeat string

func (r repeat) Read(p []byte) (int, error) {
	n := 0
	for n+len(r) <= len(p) {
		n += copy(p[n:], r)
	}
	return n, nil
}

// A stream of small events must not cost time in the square of what is
// buffered, nor a large one in the square of its size.
func BenchmarkBlocks(b *testing.B) {
	small := bytes.Repeat([]byte("data: {\"n\":1234567890}\nid: 1763792000000001\n\n"), 20000)
	idle := time.AfterFunc(time.Hour, func() {})
	defer idle.Stop()
	b.SetBytes(int64(len(small)))
	for b.Loop() {
		r := newBlocks(io.NopCloser(bytes.NewReader(small)), idle, time.Hour, 1<<20)
		if _, err := io.Copy(io.Discard, r); err != nil {
			b.Fatal(err)
		}
	}
}
