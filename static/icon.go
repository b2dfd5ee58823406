package static

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"math"
)

// icon says how the mark is drawn for the phones' launchers, which take no SVG.
type icon struct {
	pixels int     // width and height of the picture
	scale  float64 // size of the mark, as a share of the picture's: a launcher may cut off what is outside four fifths
	mono   bool    // white on nothing, for status bars
}

// icons are all of them, by name. They are drawn with the bundle.
var icons = map[string]icon{
	"app/icon-180.png":      {180, .68, false}, // iOS rounds the corners itself
	"app/icon-192.png":      {192, .72, false},
	"app/icon-512.png":      {512, .72, false},
	"app/icon-maskable.png": {512, .68, false},
	"app/badge.png":         {96, .96, true},
}

// The mark, in the units of img/mark.svg: a ring that is open at the right, and
// a dot in the opening.
const (
	markSize   = 32.0
	ringRadius = 12.0
	ringX      = 15.04 // such that the ends are those of the SVG's arc
	ringWidth  = 3.5
	endX       = 25.0
	endY       = 9.3
	dotX       = 27.4
	dotRadius  = 3.25
	middle     = 16.0
)

var (
	iconGround = color.NRGBA{0x0e, 0x11, 0x15, 0xff}
	iconRing   = color.NRGBA{0xdf, 0xe5, 0xec, 0xff}
	iconDot    = color.NRGBA{0xf2, 0xa3, 0x3c, 0xff}
)

// drawIcon returns the mark as a PNG.
func drawIcon(c icon) []byte {
	img := image.NewNRGBA(image.Rect(0, 0, c.pixels, c.pixels))
	ground, ring, dot := iconGround, iconRing, iconDot
	if c.mono {
		ground, ring, dot = color.NRGBA{}, color.NRGBA{255, 255, 255, 255}, color.NRGBA{255, 255, 255, 255}
	}
	// The mark spans from the ring's left edge to the dot's right one.
	left, right := ringX-ringRadius-ringWidth/2, dotX+dotRadius
	unit := markSize / (float64(c.pixels) * c.scale) // of the mark, per pixel
	half := float64(c.pixels) / 2
	for y := range c.pixels / 2 { // below the middle it is the same
		line := img.Pix[y*img.Stride : (y+1)*img.Stride]
		for x := range c.pixels {
			mx := (float64(x)+.5-half)*unit + (left+right)/2
			my := (float64(y)+.5-half)*unit + middle
			p := over(ground, ring, cover(ringAt(mx, my), unit), c.mono)
			p = over(p, dot, cover(math.Hypot(mx-dotX, my-middle)-dotRadius, unit), c.mono)
			line[4*x], line[4*x+1], line[4*x+2], line[4*x+3] = p.R, p.G, p.B, p.A
		}
		copy(img.Pix[(c.pixels-1-y)*img.Stride:], line)
	}
	var buf bytes.Buffer
	if err := png.Encode(&buf, img); err != nil {
		panic(err) // a buffer takes everything
	}
	return buf.Bytes()
}

// ringAt is the distance of a point from the ring's stroke, negative inside, in units of
// the mark.
func ringAt(x, y float64) float64 {
	const open = (middle - endY) / (endX - ringX) // the slope of its edges, from the ring's middle
	if x <= ringX || math.Abs(y-middle) >= open*(x-ringX) {
		return math.Abs(math.Hypot(x-ringX, y-middle)-ringRadius) - ringWidth/2
	}
	// In the opening: the round ends.
	return math.Hypot(x-endX, math.Abs(y-middle)-(middle-endY)) - ringWidth/2
}

// cover is how much of a pixel, 0 to 1, a shape covers whose edge is at a distance from
// its middle. unit is the size of a pixel; both are in units of the mark.
func cover(distance, unit float64) float64 { return min(1, max(0, .5-distance/unit)) }

// over lays a colour over another where it covers a share of the pixel; with mono, on
// nothing at all, it fades in.
func over(below, above color.NRGBA, share float64, mono bool) color.NRGBA {
	switch {
	case mono:
		above.A = max(below.A, uint8(share*255))
		return above
	case share == 0:
		return below
	case share == 1:
		return above
	}
	mix := func(a, b uint8) uint8 { return uint8(float64(a)*(1-share) + float64(b)*share + .5) }
	return color.NRGBA{mix(below.R, above.R), mix(below.G, above.G), mix(below.B, above.B), 255}
}
