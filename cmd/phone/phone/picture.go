package phone

import (
	"errors"
	"image"
	_ "image/jpeg" // pictures of either kind
	_ "image/png"
	"io"

	"github.com/makiuchi-d/gozxing"
	"github.com/makiuchi-d/gozxing/qrcode"
)

// ReadPicture returns the text of the QR code in a PNG or JPEG picture. Errors: it is
// neither, or has no code that can be read.
func ReadPicture(r io.Reader) (string, error) {
	img, _, err := image.Decode(r)
	if err != nil {
		return "", err
	}
	return ReadImage(img)
}

// ReadImage returns the text of the QR code in a picture.
func ReadImage(img image.Image) (string, error) {
	source := gozxing.NewLuminanceSourceFromImage(img)
	// A photograph, and then a picture that nothing but the code is in: of some of
	// those the finder of photographs sees a corner too many.
	for _, hint := range []gozxing.DecodeHintType{gozxing.DecodeHintType_TRY_HARDER, gozxing.DecodeHintType_PURE_BARCODE} {
		for _, b := range []gozxing.Binarizer{gozxing.NewHybridBinarizer(source), gozxing.NewGlobalHistgramBinarizer(source)} {
			bitmap, err := gozxing.NewBinaryBitmap(b)
			if err != nil {
				return "", err
			}
			if found, err := qrcode.NewQRCodeReader().Decode(bitmap, map[gozxing.DecodeHintType]any{hint: true}); err == nil {
				return found.GetText(), nil
			}
		}
	}
	return "", errors.New("there is no QR code in the picture, or it cannot be read")
}
