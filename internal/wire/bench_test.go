package wire_test

import (
	"bytes"
	"strings"
	"testing"

	"feedd/internal/stream"
	"feedd/internal/wire"
)

const (
	benchText = `The referee looks at his watch; the keeper, "far" out of his goal, runs back. `
	benchJSON = `{"type":"goal","team":"Rovers","player":"N. Example","minute":73,"score":[2,1],"text":"A long shot from the left, \"in\" off the post","tags":["football","league"],"assist":null,"video":false,"xg":0.041,"n":1}`
)

// benchItems are of about 200 bytes of data.
var benchItems = map[string]*stream.Item{
	"json":  named(jsonItem(benchJSON), "goal"),
	"text":  named(textItem(strings.Repeat(benchText, 3)[:200]), "goal"),
	"lines": named(textItem(strings.Repeat("one of ten lines\r\n\n", 11)[:200]), "goal"),
	"utf8":  named(textItem(strings.Repeat("Grüße aus “Köln”, 日本. ", 6)), "goal"),
}

func BenchmarkAppendSSE(b *testing.B)         { benchEncode(b, wire.AppendSSE) }
func BenchmarkAppendSSEEnvelope(b *testing.B) { benchEncode(b, wire.AppendSSEEnvelope) }
func BenchmarkAppendLine(b *testing.B)        { benchEncode(b, wire.AppendLine) }

func benchEncode(b *testing.B, encode func([]byte, *stream.Item) []byte) {
	for _, name := range []string{"json", "text", "lines", "utf8"} {
		b.Run(name, func(b *testing.B) {
			it := benchItems[name]
			buf := make([]byte, 0, 4096)
			b.ReportAllocs()
			for b.Loop() {
				buf = encode(buf[:0], it)
			}
		})
	}
}

func BenchmarkParseLines(b *testing.B) {
	benchParse(b, bytes.Repeat([]byte(benchJSON+"\n"), 256), wire.ParseLines)
}

func BenchmarkParseLinesSpaced(b *testing.B) {
	line := strings.NewReplacer(`,"`, `, "`, `":`, `": `).Replace(benchJSON) + "\n"
	benchParse(b, bytes.Repeat([]byte(line), 256), wire.ParseLines)
}

func BenchmarkParseEnvelopes(b *testing.B) {
	benchParse(b, bytes.Repeat(wire.AppendLine(nil, benchItems["json"]), 256), wire.ParseEnvelopes)
}

func benchParse(b *testing.B, body []byte, parse func([]byte, int) ([]stream.Draft, error)) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := parse(body, 256); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/256, "ns/line")
}

func BenchmarkDecodeLine(b *testing.B) {
	line := wire.AppendLine(nil, benchItems["text"])
	b.ReportAllocs()
	for b.Loop() {
		if _, err := wire.DecodeLine(line); err != nil {
			b.Fatal(err)
		}
	}
}
