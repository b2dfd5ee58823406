// Package brand checks what an operator puts on the pages: a PNG is decoded
// behind bounds and drawn anew, an accent has to be seen in both themes.
package brand

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"image"
	"image/png"

	"golang.org/x/image/draw"

	"hilum/idp"
)

// Bounds of a picture as it is handed in, and the sizes that are kept.
const (
	MaxFile   = 256 << 10 // bytes
	MaxSide   = 2048      // pixels
	MinSide   = 16        // pixels
	LogoSide  = 512       // pixels
	IconSide  = 256       // pixels
	maxChunks = 4096      // of one PNG
)

// Logo makes a logo of a PNG: at most LogoSide a side, with the proportions it came
// in. Errors: FieldError of the field named.
func Logo(field string, raw []byte) (*idp.Picture, error) {
	m, err := decode(field, raw)
	if err != nil {
		return nil, err
	}
	w, h := fit(m.Bounds().Dx(), m.Bounds().Dy(), LogoSide)
	return drawn(field, m, image.Rect(0, 0, w, h), image.Rect(0, 0, w, h))
}

// Icon makes an icon of a PNG: a square of IconSide at most. A picture that is no
// square stands in its middle. Errors: FieldError of the field named.
func Icon(field string, raw []byte) (*idp.Picture, error) {
	m, err := decode(field, raw)
	if err != nil {
		return nil, err
	}
	w, h := fit(m.Bounds().Dx(), m.Bounds().Dy(), IconSide)
	side := max(w, h)
	at := image.Pt((side-w)/2, (side-h)/2)
	return drawn(field, m, image.Rect(0, 0, side, side), image.Rect(at.X, at.Y, at.X+w, at.Y+h))
}

// decode reads a PNG. Its width and height are looked at before a pixel is unpacked:
// a small file may unpack to gigabytes. An animated PNG is refused, and a file that
// goes on behind its end. Errors: FieldError.
func decode(field string, raw []byte) (image.Image, error) {
	bad := func(key string) error { return &idp.FieldError{Field: field, Message: key} }
	switch {
	case len(raw) == 0:
		return nil, bad("picture.missing")
	case len(raw) > MaxFile:
		return nil, bad("picture.large")
	}
	conf, err := png.DecodeConfig(bytes.NewReader(raw))
	if err != nil {
		return nil, bad("picture.png")
	}
	if conf.Width > MaxSide || conf.Height > MaxSide {
		return nil, bad("picture.wide")
	}
	if conf.Width < MinSide || conf.Height < MinSide {
		return nil, bad("picture.small")
	}
	if key := chunks(raw); key != "" {
		return nil, bad(key)
	}
	m, err := png.Decode(bytes.NewReader(raw))
	if err != nil {
		return nil, bad("picture.broken")
	}
	return m, nil
}

// chunks walks through the chunks of a PNG and returns what is wrong with the file,
// as a message key; empty: nothing.
func chunks(raw []byte) string {
	const signature, frame = 8, 12 // bytes of a chunk besides its data
	rest := raw[signature:]
	for range maxChunks {
		if len(rest) < frame {
			return "picture.broken"
		}
		size := int64(binary.BigEndian.Uint32(rest))
		if size > int64(len(rest)-frame) {
			return "picture.broken"
		}
		switch string(rest[4:8]) {
		case "acTL":
			return "picture.moves"
		case "IEND":
			if int64(len(rest)) != size+frame {
				return "picture.more"
			}
			return ""
		}
		rest = rest[size+frame:]
	}
	return "picture.broken"
}

// fit returns the size of a picture scaled down to fit into a square of most pixels
// a side.
func fit(w, h, most int) (width, height int) {
	if w <= most && h <= most {
		return w, h
	}
	if w >= h {
		return most, max(1, h*most/w)
	}
	return max(1, w*most/h), most
}

// drawn paints m anew and packs it: nothing of the file but its pixels is left.
func drawn(field string, m image.Image, whole, at image.Rectangle) (*idp.Picture, error) {
	to := image.NewNRGBA(whole)
	if at.Size() == m.Bounds().Size() {
		draw.Draw(to, at, m, m.Bounds().Min, draw.Src)
	} else {
		draw.CatmullRom.Scale(to, at, m, m.Bounds(), draw.Src, nil)
	}
	if blank(to) {
		return nil, &idp.FieldError{Field: field, Message: "picture.blank"}
	}
	var buf bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&buf, to); err != nil {
		return nil, err
	}
	sum := sha256.Sum256(buf.Bytes())
	return &idp.Picture{ID: idp.PictureID(hex.EncodeToString(sum[:16])), PNG: buf.Bytes(), Width: whole.Dx(), Height: whole.Dy()}, nil
}

// blank reports whether every pixel is as good as transparent: an alpha of at most
// 16 of 255.
func blank(m *image.NRGBA) bool {
	for i := 3; i < len(m.Pix); i += 4 {
		if m.Pix[i] > 16 {
			return false
		}
	}
	return true
}

// A picture is faint on a ground where at least faintShare of all that is drawn,
// pixels weighed by their alpha, has less contrast with the ground than
// faintContrast. That is far less than is needed to be read: it finds the black
// logo of a letterhead on the dark ground, and nothing that somebody chose.
const (
	faintContrast = 1.5
	faintShare    = .95
)

// Faint reports on which grounds next to nothing of a picture is seen: that of a
// page in the dark theme, and in the light one.
type Faint struct{ Dark, Light bool }

// FaintOn measures a picture on the grounds of pages: each pixel is laid over the
// ground by its alpha, which is also its weight. A picture that cannot be decoded is
// faint nowhere.
func FaintOn(p *idp.Picture) Faint {
	m, err := png.Decode(bytes.NewReader(p.PNG))
	if err != nil {
		return Faint{}
	}
	to := image.NewNRGBA(m.Bounds())
	draw.Draw(to, to.Bounds(), m, m.Bounds().Min, draw.Src)
	return Faint{Dark: faint(to, DarkGrounds[0]), Light: faint(to, LightGrounds[0])}
}

func faint(m *image.NRGBA, ground Colour) bool {
	over := func(c, g, alpha uint8) uint8 {
		return uint8((int(c)*int(alpha) + int(g)*(255-int(alpha)) + 127) / 255) //nolint:gosec // between c and g
	}
	known := map[Colour]bool{} // logos have few colours
	var all, unseen int
	for i := 0; i+3 < len(m.Pix); i += 4 {
		alpha := m.Pix[i+3]
		if alpha == 0 {
			continue
		}
		c := Colour{over(m.Pix[i], ground.R, alpha), over(m.Pix[i+1], ground.G, alpha), over(m.Pix[i+2], ground.B, alpha)}
		low, ok := known[c]
		if !ok {
			low = c.Contrast(ground) < faintContrast
			known[c] = low
		}
		all += int(alpha)
		if low {
			unseen += int(alpha)
		}
	}
	return all > 0 && float64(unseen) >= faintShare*float64(all)
}
