package e2e

import (
	"image"
	"math"
	"math/rand/v2"
	"testing"
)

// shot is how a camera sees a QR code on a screen.
type shot struct {
	angle          float64 // radians
	px             float64 // pixels a module
	blur           float64 // gaussian, pixels
	noise          float64 // standard deviation, of 255
	dark, light    float64 // what black and white look like, of 255
	shade, from    float64 // how much light is lost across the picture, and where it comes from
	tiltX, tiltY   float64 // how much nearer one edge is than the other
	around         float64 // what surrounds the code, of 255
	offX, offY     float64 // pixels beside the middle
	stripe, period float64 // a screen's own pattern: depth of 255, pixels
}

const frameSide = 288

// take photographs the modules. The same shot and randomness give the same frame.
func (s shot) take(dark [][]bool, r *rand.Rand) *image.Gray {
	const fine = 3 // samples a pixel in each direction
	n := float64(len(dark))
	sin, cos := math.Sincos(s.angle)
	raw := make([]float64, frameSide*frameSide)
	look := func(x, y float64) float64 {
		x, y = x-frameSide/2-s.offX, y-frameSide/2-s.offY
		depth := 1 + (s.tiltX*x+s.tiltY*y)/frameSide // > 0
		x, y = x/depth, y/depth
		mx, my := (cos*x+sin*y)/s.px+n/2, (-sin*x+cos*y)/s.px+n/2
		switch {
		case mx < -margin || my < -margin || mx >= n+margin || my >= n+margin:
			return s.around
		case mx >= 0 && my >= 0 && mx < n && my < n && dark[int(my)][int(mx)]:
			return s.dark
		}
		return s.light
	}
	lx, ly := math.Cos(s.from), math.Sin(s.from)
	for y := range frameSide {
		for x := range frameSide {
			var sum float64
			for j := range fine {
				for i := range fine {
					sum += look(float64(x)+(float64(i)+0.5)/fine, float64(y)+(float64(j)+0.5)/fine)
				}
			}
			v := sum / (fine * fine)
			across := (lx*(float64(x)/frameSide-0.5) + ly*(float64(y)/frameSide-0.5)) + 0.5
			v *= 1 - s.shade*min(1, max(0, across))
			if s.stripe > 0 {
				v += s.stripe * math.Sin(2*math.Pi*float64(y)/s.period)
			}
			raw[y*frameSide+x] = v
		}
	}
	raw = blurred(raw, s.blur)
	m := image.NewGray(image.Rect(0, 0, frameSide, frameSide))
	for i, v := range raw {
		m.Pix[i] = uint8(min(255, max(0, math.Round(v+r.NormFloat64()*s.noise))))
	}
	return m
}

// blurred is a gaussian blur, first along the rows, then along the columns.
func blurred(raw []float64, sigma float64) []float64 {
	if sigma == 0 {
		return raw
	}
	reach := int(math.Ceil(3 * sigma))
	weight := make([]float64, 2*reach+1)
	var sum float64
	for i := range weight {
		weight[i] = math.Exp(-float64((i-reach)*(i-reach)) / (2 * sigma * sigma))
		sum += weight[i]
	}
	along := func(in []float64, dx, dy int) []float64 {
		out := make([]float64, len(in))
		for y := range frameSide {
			for x := range frameSide {
				var v float64
				for i, w := range weight {
					u := min(frameSide-1, max(0, x+dx*(i-reach)))
					o := min(frameSide-1, max(0, y+dy*(i-reach)))
					v += w * in[o*frameSide+u]
				}
				out[y*frameSide+x] = v / sum
			}
		}
		return out
	}
	return along(along(raw, 1, 0), 0, 1)
}

// frame is a photograph of a QR code, and what was hard about it.
type frame struct {
	kind string
	png  []byte
}

// frames are photographs of one QR code at px pixels a module, each of them
// turned, each kind with something that makes it harder.
func frames(t testing.TB, text string, px float64, each int) []frame {
	t.Helper()
	dark := modules(t, text)
	r := rand.New(rand.NewPCG(3, 49))
	between := func(a, b float64) float64 { return a + (b-a)*r.Float64() }
	kinds := []struct {
		name string
		make func(*shot)
	}{
		{"hardly turned", func(s *shot) { s.angle = between(-0.06, 0.06) }},
		{"turned", func(*shot) {}},
		{"blurred", func(s *shot) { s.blur = between(0.4, 1.0) }},
		{"noisy", func(s *shot) { s.noise = between(8, 22) }},
		{"unevenly lit", func(s *shot) { s.shade = between(0.4, 0.75) }},
		{"faint", func(s *shot) { s.dark, s.light = between(60, 100), between(130, 170); s.noise = 3 }},
		{"tilted", func(s *shot) { s.tiltX, s.tiltY = between(-0.18, 0.18), between(-0.18, 0.18) }},
		{"striped by a screen", func(s *shot) { s.stripe, s.period = between(6, 18), between(2.5, 9) }},
		{"all of it", func(s *shot) {
			s.blur, s.noise, s.shade = between(0.3, 0.8), between(3, 12), between(0.1, 0.5)
			s.tiltX, s.tiltY = between(-0.1, 0.1), between(-0.1, 0.1)
			s.dark, s.light = between(15, 50), between(180, 240)
		}},
	}
	var all []frame
	for _, k := range kinds {
		for i := range each {
			s := shot{
				px: px, dark: 20, light: 235, from: between(0, 2*math.Pi), offX: between(-6, 6), offY: between(-6, 6),
				// Over the full circle, and never the same.
				angle: 2 * math.Pi * (float64(i) + r.Float64()) / float64(each),
				// A bright page, a dark one.
				around: []float64{235, 24}[i%2], blur: 0.3,
			}
			k.make(&s)
			all = append(all, frame{kind: k.name, png: pngOf(t, s.take(dark, r))})
		}
	}
	return all
}
