package web

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"strings"
	"testing"

	"github.com/boombuler/barcode/qr"

	"hilum/cmd/phone/phone"
	"hilum/idp"
	"hilum/idp/totp"
	"hilum/templates"
)

// modules are the dark ones of a drawn code, by column and row.
func modules(t *testing.T, code templates.QR) map[[2]int]bool {
	t.Helper()
	dark := map[[2]int]bool{}
	for part := range strings.SplitSeq(strings.TrimSuffix(code.Path, "z"), "z") {
		var x, y, n int
		if _, err := fmt.Sscanf(part, "M%d %dh%dv1h-", &x, &y, &n); err != nil {
			t.Fatalf("%q: %v", part, err)
		}
		for i := range n {
			dark[[2]int{x + i, y}] = true
		}
	}
	return dark
}

// The path is the code, module for module, with its quiet zone.
func TestQR(t *testing.T) {
	const text = "otpauth://totp/Imaging:anna?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP&issuer=Imaging"
	got, err := drawQR(text)
	if err != nil {
		t.Fatal(err)
	}
	code, err := qr.Encode(text, qr.L, qr.Unicode)
	if err != nil {
		t.Fatal(err)
	}
	size := code.Bounds().Dx()
	if got.Size != size+2*quiet {
		t.Fatalf("size %d for %d modules", got.Size, size)
	}
	drawn := modules(t, got)
	for y := range got.Size {
		for x := range got.Size {
			dark := false
			if cx, cy := x-quiet, y-quiet; cx >= 0 && cy >= 0 && cx < size && cy < size {
				r, _, _, _ := code.At(cx, cy).RGBA()
				dark = r == 0
			}
			if drawn[[2]int{x, y}] != dark {
				t.Fatalf("module %d,%d is wrong", x, y)
			}
		}
	}
	if _, err := drawQR(strings.Repeat("x", 5000)); err == nil {
		t.Error("too long a text was drawn")
	}
}

// However long the names of people, site and address are, the code is read at the size
// in which pages show it, on a screen with one point a CSS pixel.
func TestLongNamesAreScannedFromThePage(t *testing.T) {
	long := func(s string) string { return strings.Repeat(s, idp.MaxName/len(s)) }
	for _, site := range []string{"Hilum", "Universitätsklinikum am Nordring, Radiologie", "مستشفى الملك فيصل التخصصي", "東京大学医学部附属病院", strings.Repeat("👩‍⚕️", 8)} {
		for _, account := range []string{"a", long("maximiliane."), long("langer.")[:40] + "@klinik.example", "محمد.عبدالرحمن.الحسيني@klinik.example", long("山田"), long("@"), long("👨‍👩‍👧")} {
			for _, host := range []string{"id.example", "anmeldung.universitaetsklinikum-nord.example:8443", ""} {
				extra := []totp.Extra{{Name: "idp", Value: host}, {Name: "pair", Value: strings.Repeat("x", 22)}}
				if host == "" {
					extra = nil
				}
				// A provider whose label leaves less for an account does not start; shortened it is scanned all the same.
				uri := totp.URI(site, account, bytes.Repeat([]byte{0xA5, 0x1C, 0x7B, 0xE0}, 5), extra...)
				code, err := drawQR(uri)
				if err != nil {
					t.Fatal(err)
				}
				dark := modules(t, code)
				side := code.Side()
				shown := image.NewGray(image.Rect(0, 0, side, side))
				for y := range side {
					for x := range side {
						if !dark[[2]int{x * code.Size / side, y * code.Size / side}] {
							shown.SetGray(x, y, color.Gray{Y: 255})
						}
					}
				}
				if got, err := phone.ReadImage(shown); err != nil || got != uri {
					t.Errorf("%s of %s at %q, %d modules on %d pixels: %q, %v", account, site, host, code.Size, side, got, err)
				}
			}
		}
	}
}
