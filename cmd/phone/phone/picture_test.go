package phone

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/base64"
	"testing"

	"github.com/boombuler/barcode"
	"github.com/boombuler/barcode/qr"
)

// Whatever secret and code a provider draws, its picture is read.
func TestPicturesAreRead(t *testing.T) {
	for n := range 300 {
		secret, pair := make([]byte, 20), make([]byte, 16)
		rand.Read(secret)
		rand.Read(pair)
		link := "otpauth://totp/Hilum:bert?secret=" + base32.StdEncoding.EncodeToString(secret) +
			"&issuer=Hilum&idp=127.0.0.1:38431&pair=" + base64.RawURLEncoding.EncodeToString(pair)
		code, err := qr.Encode(link, qr.L, qr.Unicode)
		if err != nil {
			t.Fatal(err)
		}
		side := (4 + n%8) * (code.Bounds().Dx() + 8)
		if code, err = barcode.Scale(code, side, side); err != nil {
			t.Fatal(err)
		}
		if got, err := ReadImage(code); err != nil || got != link {
			t.Errorf("%d: %s at %d pixels: %q, %v", n, link, side, got, err)
		}
	}
}
