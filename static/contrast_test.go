package static

import (
	"math"
	"slices"
	"strconv"
	"testing"

	"hilum/idp/brand"
)

// luminance is the relative luminance of WCAG 2.2 of #rgb or #rrggbb.
func luminance(t *testing.T, colour string) float64 {
	t.Helper()
	hex := colour[1:]
	if len(hex) == 3 {
		hex = string([]byte{hex[0], hex[0], hex[1], hex[1], hex[2], hex[2]})
	}
	v, err := strconv.ParseUint(hex, 16, 32)
	if err != nil {
		t.Fatal(err)
	}
	lin := func(c uint64) float64 {
		s := float64(c&0xff) / 255
		if s <= 0.04045 {
			return s / 12.92
		}
		return math.Pow((s+0.055)/1.055, 2.4)
	}
	return 0.2126*lin(v>>16) + 0.7152*lin(v>>8) + 0.0722*lin(v)
}

// Text reaches 7:1 in both themes, edges of fields and the focus ring 3:1.
func TestContrast(t *testing.T) {
	raw, err := embedded.ReadFile("css/tokens.css")
	if err != nil {
		t.Fatal(err)
	}
	dark, light := themes(t, string(raw))
	pairs := []struct {
		front, back string
		least       float64
	}{
		{"--ink", "--ground", 7}, {"--ink", "--panel", 7}, {"--ink", "--well", 7}, {"--ink", "--raised", 7},
		{"--soft", "--ground", 7}, {"--soft", "--panel", 7}, {"--soft", "--well", 7}, {"--soft", "--raised", 7},
		{"--ink", "--bad-ground", 7}, {"--ink", "--good-ground", 7},
		{"--bad", "--panel", 7}, {"--bad", "--ground", 7}, {"--bad", "--bad-ground", 7}, {"--good", "--good-ground", 7},
		{"--on-amber", "--amber", 7}, {"--on-amber", "--amber-lit", 7},
		{"--edge", "--well", 3}, {"--edge", "--panel", 3}, {"--edge", "--ground", 3},
		{"--focus", "--ground", 3}, {"--focus", "--panel", 3}, {"--focus", "--well", 3},
		{"--mark", "--ground", 3},
	}
	for theme, palette := range map[string]map[string]string{"dark": dark, "light": light} {
		for _, p := range pairs {
			if palette[p.front] == "" || palette[p.back] == "" {
				t.Fatalf("%s: no colour %s or %s", theme, p.front, p.back)
			}
			a, b := luminance(t, palette[p.front]), luminance(t, palette[p.back])
			if got := (math.Max(a, b) + .05) / (math.Min(a, b) + .05); got < p.least {
				t.Errorf("%s theme: %s on %s is %.2f:1, %.0f:1 is needed", theme, p.front, p.back, got, p.least)
			}
		}
	}
}

// What accents are measured against is what the style has.
func TestAccentsAreMeasuredOnTheGrounds(t *testing.T) {
	raw, err := embedded.ReadFile("css/tokens.css")
	if err != nil {
		t.Fatal(err)
	}
	dark, light := themes(t, string(raw))
	for theme, c := range map[string]struct {
		palette map[string]string
		grounds []brand.Colour
	}{"dark": {dark, brand.DarkGrounds}, "light": {light, brand.LightGrounds}} {
		for _, name := range []string{"--ground", "--panel", "--well"} {
			colour := c.palette[name]
			if len(colour) == 4 {
				colour = "#" + string([]byte{colour[1], colour[1], colour[2], colour[2], colour[3], colour[3]})
			}
			ground, ok := brand.Parse(colour)
			if !ok || !slices.Contains(c.grounds, ground) {
				t.Errorf("%s theme: %s is %s, which accents are not measured on", theme, name, c.palette[name])
			}
		}
	}
	if dark["--amber"] != brand.Default.String() {
		t.Errorf("our accent is %s, and %s there", dark["--amber"], brand.Default)
	}
}
