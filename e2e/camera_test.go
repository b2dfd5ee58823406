package e2e

import (
	"bufio"
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"os"
	"path/filepath"
	"testing"

	"github.com/boombuler/barcode/qr"
	"github.com/chromedp/chromedp"
)

// What the fake camera films: a picture in the middle of a grey room.
const (
	cameraWidth, cameraHeight = 1280, 720
	cameraRate                = 10 // frames a second
	cameraHold                = 10 // frames for which a picture stays
)

// cameraFile returns a film of the pictures, one after the other and again from
// the start, as Chromium's fake camera plays it.
func cameraFile(t testing.TB, pngs ...[]byte) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "camera.y4m")
	f := must[*os.File](t)(os.Create(name))
	w := bufio.NewWriter(f)
	fmt.Fprintf(w, "YUV4MPEG2 W%d H%d F%d:1 Ip A1:1 C420\n", cameraWidth, cameraHeight, cameraRate)
	colour := bytes.Repeat([]byte{128}, cameraWidth*cameraHeight/4)
	for _, raw := range pngs {
		picture := must[image.Image](t)(png.Decode(bytes.NewReader(raw)))
		size := picture.Bounds()
		if size.Dx() > cameraWidth || size.Dy() > cameraHeight {
			t.Fatalf("a picture of %v is larger than what the camera sees", size)
		}
		frame := image.NewGray(image.Rect(0, 0, cameraWidth, cameraHeight))
		draw.Draw(frame, frame.Bounds(), image.NewUniform(color.Gray{Y: 100}), image.Point{}, draw.Src)
		at := image.Pt((cameraWidth-size.Dx())/2, (cameraHeight-size.Dy())/2)
		draw.Draw(frame, size.Sub(size.Min).Add(at), picture, size.Min, draw.Over)
		for range cameraHold {
			fmt.Fprint(w, "FRAME\n")
			for _, part := range [][]byte{frame.Pix, colour, colour} {
				if _, err := w.Write(part); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return name
}

// fakeCamera gives a window a camera that plays a film, and lets every page use it.
func fakeCamera(film string) []chromedp.ExecAllocatorOption {
	return []chromedp.ExecAllocatorOption{
		chromedp.Flag("use-fake-device-for-media-stream", true), chromedp.Flag("use-fake-ui-for-media-stream", true),
		chromedp.Flag("use-file-for-fake-video-capture", film),
	}
}

// modules are the dark modules of a QR code as the pages draw it (level L),
// without its light margin.
func modules(t testing.TB, text string) [][]bool {
	t.Helper()
	code, err := qr.Encode(text, qr.L, qr.Unicode)
	if err != nil {
		t.Fatal(err)
	}
	size := code.Bounds().Dx()
	dark := make([][]bool, size)
	for y := range dark {
		dark[y] = make([]bool, size)
		for x := range dark[y] {
			r, _, _, _ := code.At(x, y).RGBA()
			dark[y][x] = r == 0
		}
	}
	return dark
}

// margin is the light one around a QR code, in modules.
const margin = 4

// qrPicture draws a QR code with its margin, scale pixels a module.
func qrPicture(t testing.TB, text string, scale int) *image.Gray {
	t.Helper()
	dark := modules(t, text)
	side := (len(dark) + 2*margin) * scale
	m := image.NewGray(image.Rect(0, 0, side, side))
	for y := range side {
		for x := range side {
			m.Pix[y*m.Stride+x] = 255
			if mx, my := x/scale-margin, y/scale-margin; mx >= 0 && my >= 0 && mx < len(dark) && my < len(dark) && dark[my][mx] {
				m.Pix[y*m.Stride+x] = 0
			}
		}
	}
	return m
}

func pngOf(t testing.TB, m image.Image) []byte {
	t.Helper()
	var buf bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestSpeed}).Encode(&buf, m); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}
