package main

import (
	"image/color"
	"strings"
	"testing"

	"github.com/boombuler/barcode/qr"
)

// What the terminal shows has the modules of the code, on a light margin.
func TestTerminalQRShowsTheCode(t *testing.T) {
	const text = "otpauth://totp/Hilum:anna?secret=AM3SVGRI26IKJCVID2ZLXXBTUDYMB6WX&issuer=Hilum"
	code, err := qr.Encode(text, qr.M, qr.Auto)
	if err != nil {
		t.Fatal(err)
	}
	shown, err := terminalQR(text)
	if err != nil {
		t.Fatal(err)
	}
	size := code.Bounds().Dx()
	lines := strings.Split(strings.TrimSuffix(shown, "\n"), "\n")
	if want := (size + 2*quietZone + 1) / 2; len(lines) != want {
		t.Fatalf("%d lines for %d modules, want %d", len(lines), size, want)
	}
	for i, line := range lines {
		line = strings.TrimSuffix(strings.TrimPrefix(line, "\x1b[38;5;16m\x1b[48;5;231m"), "\x1b[0m")
		letters := []rune(line)
		if len(letters) != size+2*quietZone {
			t.Fatalf("line %d is %d wide", i, len(letters))
		}
		for x, letter := range letters {
			for half := range 2 {
				mx, my := x-quietZone, 2*i+half-quietZone
				inside := mx >= 0 && my >= 0 && mx < size && my < size
				want := inside && code.At(mx, my) == color.Color(color.Black)
				got := letter == '█' || letter == '▀' && half == 0 || letter == '▄' && half == 1
				if got != want {
					t.Fatalf("module %d,%d is dark: %v, want %v", mx, my, got, want)
				}
			}
		}
	}
}
