package main

import (
	"image/color"
	"strings"

	"github.com/boombuler/barcode/qr"
)

// quietZone is the margin a scanner needs, in modules (ISO/IEC 18004 asks for 4).
const quietZone = 4

// terminalQR draws a QR code in half blocks, two modules a letter, dark on
// light whatever the terminal's own colours are.
func terminalQR(text string) (string, error) {
	code, err := qr.Encode(text, qr.M, qr.Auto)
	if err != nil {
		return "", err
	}
	size := code.Bounds().Dx()
	dark := func(x, y int) bool {
		return x >= 0 && y >= 0 && x < size && y < size && color.GrayModel.Convert(code.At(x, y)).(color.Gray).Y < 128
	}
	var b strings.Builder
	for y := -quietZone; y < size+quietZone; y += 2 {
		b.WriteString("\x1b[38;5;16m\x1b[48;5;231m") // black on white of the fixed palette
		for x := -quietZone; x < size+quietZone; x++ {
			switch top, bottom := dark(x, y), dark(x, y+1); {
			case top && bottom:
				b.WriteRune('█')
			case top:
				b.WriteRune('▀')
			case bottom:
				b.WriteRune('▄')
			default:
				b.WriteByte(' ')
			}
		}
		b.WriteString("\x1b[0m\n")
	}
	return b.String(), nil
}
