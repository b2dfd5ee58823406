package brand

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"hilum/idp"
)

// Colour is red, green and blue.
type Colour struct{ R, G, B uint8 }

// Default is the accent where nobody has set one, safelight amber. On the ground of
// the light theme it has less contrast than ForShapes: there the style gives the
// focus ring a darker colour of its own. A test compares it with the style.
var Default = Colour{0xf2, 0xa3, 0x3c}

// What an accent stands on, by theme, as the style has it: the ground of a page,
// of a panel, of a field. A test compares them with the style.
var (
	DarkGrounds  = []Colour{{0x0e, 0x11, 0x15}, {0x15, 0x19, 0x1f}, {0x0b, 0x0e, 0x12}}
	LightGrounds = []Colour{{0xee, 0xf1, 0xf5}, {0xff, 0xff, 0xff}}
)

// Least contrast, as a ratio to 1, of text that is read and of shapes that have to
// be seen (WCAG 2.2, success criteria 1.4.3 and 1.4.11).
const (
	ForText   = 4.5
	ForShapes = 3.0
)

var (
	black = Colour{}
	white = Colour{0xff, 0xff, 0xff}
)

// Parse reads #rrggbb.
func Parse(s string) (c Colour, ok bool) {
	hex, found := strings.CutPrefix(strings.ToLower(strings.TrimSpace(s)), "#")
	v, err := strconv.ParseUint(hex, 16, 32)
	if !found || err != nil || len(hex) != 6 || strings.ContainsAny(hex, "+_") {
		return Colour{}, false
	}
	return Colour{uint8(v >> 16), uint8(v >> 8), uint8(v)}, true //nolint:gosec // one byte each
}

func (c Colour) String() string { return fmt.Sprintf("#%02x%02x%02x", c.R, c.G, c.B) }

// Luminance is the relative luminance of WCAG 2.2: 0 for black, 1 for white.
func (c Colour) Luminance() float64 {
	lin := func(b uint8) float64 {
		s := float64(b) / 255
		if s <= 0.04045 {
			return s / 12.92
		}
		return math.Pow((s+0.055)/1.055, 2.4)
	}
	return 0.2126*lin(c.R) + 0.7152*lin(c.G) + 0.0722*lin(c.B)
}

// Contrast is the contrast ratio of WCAG 2.2, between 1 and 21.
func (c Colour) Contrast(with Colour) float64 {
	a, b := c.Luminance(), with.Luminance()
	return (max(a, b) + .05) / (min(a, b) + .05)
}

// Text is black or white, whichever is read better on c.
func (c Colour) Text() Colour {
	if c.Contrast(black) >= c.Contrast(white) {
		return black
	}
	return white
}

// Lit is the colour of what has colour c while the pointer is over it: lighter
// where the text on it is black, darker where that is white, so that the text stays
// readable.
func (c Colour) Lit() Colour {
	h, s, l := c.hsl()
	if c.Text() == black {
		return fromHSL(h, s, min(1, l+.08))
	}
	return fromHSL(h, s, max(0, l-.06))
}

// AccentError says where an accent cannot be seen, and what could.
type AccentError struct {
	Where   string  // "dark", "light": on the ground of that theme; "text": its own text
	Ratio   float64 // the contrast it has there, rounded down to one digit
	Need    float64 // the least that is taken there
	Nearest Colour  // one of the same hue and saturation that is taken
}

func (e *AccentError) Error() string {
	where := map[string]string{"dark": "on the ground of the dark theme", "light": "on the ground of the light theme", "text": "for its own text"}[e.Where]
	return fmt.Sprintf("has a contrast of %.1f:1 %s, %.1f:1 is needed; the nearest that would do is %s", floor(e.Ratio), where, e.Need, e.Nearest)
}

func (e *AccentError) Unwrap() error { return idp.ErrInvalid }

// floor keeps one digit and never rounds up to what is needed.
func floor(ratio float64) float64 { return math.Floor(ratio*10) / 10 }

// Ratios are the contrasts of an accent: with the text on it, and with the grounds
// of each theme.
type Ratios struct{ Text, Dark, Light float64 }

// RatiosOf measures an accent; for a theme, on the ground with the least contrast.
func RatiosOf(c Colour) Ratios {
	r := Ratios{Text: c.Contrast(c.Text()), Dark: math.Inf(1), Light: math.Inf(1)}
	for _, g := range DarkGrounds {
		r.Dark = min(r.Dark, c.Contrast(g))
	}
	for _, g := range LightGrounds {
		r.Light = min(r.Light, c.Contrast(g))
	}
	return r
}

func (r Ratios) good() bool { return r.Text >= ForText && r.Dark >= ForShapes && r.Light >= ForShapes }

// Check returns nil for an accent that is seen in both themes and carries text.
// Default is taken as it is. Errors: *AccentError.
func Check(c Colour) error {
	r := RatiosOf(c)
	if c == Default || r.good() {
		return nil
	}
	e := &AccentError{Where: "text", Ratio: r.Text, Need: ForText, Nearest: nearest(c)}
	switch {
	case r.Dark < ForShapes:
		e.Where, e.Ratio, e.Need = "dark", r.Dark, ForShapes
	case r.Light < ForShapes:
		e.Where, e.Ratio, e.Need = "light", r.Light, ForShapes
	}
	e.Ratio = floor(e.Ratio)
	return e
}

// nearest keeps hue and saturation and goes up and down in lightness until the
// colour is good: from black to white every luminance is passed, so there is one.
func nearest(c Colour) Colour {
	h, s, l := c.hsl()
	const steps = 1024
	for i := range steps {
		d := float64(i) / steps
		for _, at := range []float64{l - d, l + d} {
			if at < 0 || at > 1 {
				continue
			}
			if n := fromHSL(h, s, at); RatiosOf(n).good() {
				return n
			}
		}
	}
	return Default
}

// hsl returns hue in sixths of the circle (0 up to 6), saturation and lightness (0
// to 1).
func (c Colour) hsl() (h, s, l float64) {
	r, g, b := float64(c.R)/255, float64(c.G)/255, float64(c.B)/255
	hi, lo := max(r, g, b), min(r, g, b)
	l = (hi + lo) / 2
	d := hi - lo
	if d == 0 {
		return 0, 0, l
	}
	s = d / (1 - math.Abs(2*l-1))
	switch hi {
	case r:
		h = math.Mod((g-b)/d+6, 6)
	case g:
		h = (b-r)/d + 2
	default:
		h = (r-g)/d + 4
	}
	return h, s, l
}

// fromHSL is the way back from hsl.
func fromHSL(h, s, l float64) Colour {
	chroma := (1 - math.Abs(2*l-1)) * s
	x := chroma * (1 - math.Abs(math.Mod(h, 2)-1))
	var r, g, b float64
	switch int(h) {
	case 0:
		r, g = chroma, x
	case 1:
		r, g = x, chroma
	case 2:
		g, b = chroma, x
	case 3:
		g, b = x, chroma
	case 4:
		r, b = x, chroma
	default:
		r, b = chroma, x
	}
	m := l - chroma/2
	to := func(v float64) uint8 { return uint8(min(255, max(0, math.Round((v+m)*255)))) }
	return Colour{to(r), to(g), to(b)}
}
