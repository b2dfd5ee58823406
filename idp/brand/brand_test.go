package brand

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"image"
	"image/color"
	"image/draw"
	"image/gif"
	"image/jpeg"
	"image/png"
	"math"
	"slices"
	"strings"
	"testing"

	"hilum/idp"
)

// drawing is w by h of one colour, with a corner of another.
func drawing(w, h int) *image.NRGBA {
	m := image.NewNRGBA(image.Rect(0, 0, w, h))
	draw.Draw(m, m.Bounds(), image.NewUniform(color.NRGBA{10, 125, 108, 255}), image.Point{}, draw.Src)
	draw.Draw(m, image.Rect(0, 0, w/4, h/4), image.NewUniform(color.NRGBA{255, 255, 255, 90}), image.Point{}, draw.Src)
	return m
}

func packed(t testing.TB, m image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// chunk is a part of a PNG.
func chunk(kind string, data []byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(len(data)))
	b = append(append(b, kind...), data...)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b[4:]))
}

// with puts a chunk behind the head of a PNG: 8 bytes of signature and 25 of IHDR.
func with(raw []byte, kind string, data []byte) []byte {
	return slices.Concat(raw[:33], chunk(kind, data), raw[33:])
}

// claiming is a PNG whose head says other sides than it has.
func claiming(raw []byte, w, h uint32) []byte {
	head := slices.Clone(raw[16:29])
	binary.BigEndian.PutUint32(head, w)
	binary.BigEndian.PutUint32(head[4:], h)
	return slices.Concat(raw[:8], chunk("IHDR", head), raw[33:])
}

func badPictures(t testing.TB) map[string]struct {
	raw  []byte
	want string
} {
	good := packed(t, drawing(64, 32))
	var photo, moving bytes.Buffer
	if err := jpeg.Encode(&photo, drawing(64, 32), nil); err != nil {
		t.Fatal(err)
	}
	if err := gif.Encode(&moving, drawing(64, 32), nil); err != nil {
		t.Fatal(err)
	}
	crc := slices.Clone(good)
	crc[len(crc)-20] ^= 0xff
	return map[string]struct {
		raw  []byte
		want string
	}{
		"nothing":                {nil, "picture.missing"},
		"more than 256 KB":       {append(slices.Clone(good), make([]byte, MaxFile)...), "picture.large"},
		"a text":                 {[]byte("hello"), "picture.png"},
		"a JPEG named PNG":       {photo.Bytes(), "picture.png"},
		"a GIF":                  {moving.Bytes(), "picture.png"},
		"an SVG":                 {[]byte(`<svg xmlns="http://www.w3.org/2000/svg"><script>1</script></svg>`), "picture.png"},
		"a bomb":                 {claiming(good, 60000, 60000), "picture.wide"},
		"the widest":             {claiming(good, math.MaxInt32, 1), "picture.wide"},
		"no side":                {claiming(good, 0, 20), "picture.png"},
		"2049 wide":              {packed(t, drawing(2049, 16)), "picture.wide"},
		"15 high":                {packed(t, drawing(20, 15)), "picture.small"},
		"cut off in the middle":  {good[:len(good)/2], "picture.broken"},
		"without its end":        {good[:len(good)-12], "picture.broken"},
		"its head alone":         {good[:33], "picture.broken"},
		"a wrong checksum":       {crc, "picture.broken"},
		"more rows than it has":  {claiming(good, 64, 2000), "picture.broken"},
		"HTML behind it":         {append(slices.Clone(good), "<script>alert(1)</script>"...), "picture.more"},
		"a second one behind it": {slices.Concat(good, good), "picture.more"},
		"one that moves":         {with(good, "acTL", make([]byte, 8)), "picture.moves"},
		"a chunk without end":    {slices.Concat(good[:33], []byte{0xff, 0xff, 0xff, 0xff}, []byte("tEXt")), "picture.broken"},
		"nothing to be seen":     {packed(t, image.NewNRGBA(image.Rect(0, 0, 32, 32))), "picture.blank"},
	}
}

func TestBadPictures(t *testing.T) {
	for name, c := range badPictures(t) {
		for what, read := range map[string]func(string, []byte) (*idp.Picture, error){"logo": Logo, "icon": Icon} {
			p, err := read("field", c.raw)
			field := (*idp.FieldError)(nil)
			if p != nil || !errors.As(err, &field) || field.Field != "field" || field.Message != c.want {
				t.Errorf("%s as %s: %v, want %s", name, what, err, c.want)
			}
		}
	}
}

func TestPicturesAreDrawnAnew(t *testing.T) {
	for _, c := range []struct {
		name       string
		raw        []byte
		logo, icon image.Point
	}{
		{"as it is", packed(t, drawing(64, 32)), image.Pt(64, 32), image.Pt(64, 64)},
		{"wide", packed(t, drawing(2048, 256)), image.Pt(512, 64), image.Pt(256, 256)},
		{"high", packed(t, drawing(100, 2000)), image.Pt(25, 512), image.Pt(256, 256)},
		{"with words in it", with(packed(t, drawing(64, 64)), "tEXt", []byte("Comment\x00<script>")), image.Pt(64, 64), image.Pt(64, 64)},
	} {
		for what, kept := range map[string]struct {
			read func(string, []byte) (*idp.Picture, error)
			size image.Point
		}{"logo": {Logo, c.logo}, "icon": {Icon, c.icon}} {
			p, err := kept.read("x", c.raw)
			if err != nil {
				t.Errorf("%s as %s: %v", c.name, what, err)
				continue
			}
			m, err := png.Decode(bytes.NewReader(p.PNG))
			if err != nil || m.Bounds().Size() != kept.size || p.Width != kept.size.X || p.Height != kept.size.Y {
				t.Errorf("%s as %s: %v by %d×%d, want %v (%v)", c.name, what, m.Bounds(), p.Width, p.Height, kept.size, err)
			}
			if bytes.Contains(p.PNG, []byte("script")) || bytes.Contains(p.PNG, []byte("tEXt")) {
				t.Errorf("%s as %s: more than pixels is kept", c.name, what)
			}
			again, err := kept.read("x", p.PNG)
			if err != nil || again.ID != p.ID || len(p.ID) != 32 {
				t.Errorf("%s as %s: handed in again it is %v, %v; before %v", c.name, what, again, err, p.ID)
			}
		}
	}
	// Where an icon is no square the rest is clear.
	p, err := Icon("x", packed(t, drawing(64, 32)))
	if err != nil {
		t.Fatal(err)
	}
	m, _ := png.Decode(bytes.NewReader(p.PNG))
	if _, _, _, a := m.At(32, 2).RGBA(); a != 0 {
		t.Error("something stands beside the icon")
	}
	if _, _, _, a := m.At(32, 32).RGBA(); a != 0xffff {
		t.Error("the icon is not in the middle")
	}
}

func FuzzLogo(f *testing.F) {
	f.Add(packed(f, drawing(40, 20)))
	for _, bad := range badPictures(f) {
		if len(bad.raw) < 64<<10 {
			f.Add(bad.raw)
		}
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		p, err := Logo("x", raw)
		if (p == nil) == (err == nil) {
			t.Fatalf("%v and %v", p, err)
		}
		if err != nil {
			return
		}
		conf, err := png.DecodeConfig(bytes.NewReader(p.PNG))
		if err != nil || conf.Width > LogoSide || conf.Height > LogoSide {
			t.Errorf("%+v, %v", conf, err)
		}
	})
}

func TestParse(t *testing.T) {
	for s, want := range map[string]string{"#0A7d6c": "#0a7d6c", " #000000 ": "#000000", "#ffffff": "#ffffff"} {
		if c, ok := Parse(s); !ok || c.String() != want {
			t.Errorf("%q is %v, %v", s, c, ok)
		}
	}
	for _, s := range []string{"", "#", "0a7d6c", "#0a7", "#0a7d6", "#0a7d6c0", "#0a7d6g", "#+a7d6c", "#0_7d6c", "teal", "#0a7d6c}", "url(x)", "# a7d6c"} {
		if c, ok := Parse(s); ok {
			t.Errorf("%q is taken as %v", s, c)
		}
	}
}

// The ratios are those that others compute.
func TestContrast(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want float64
	}{
		{"#000000", "#ffffff", 21}, {"#ffffff", "#ffffff", 1}, {"#777777", "#ffffff", 4.48}, {"#767676", "#ffffff", 4.54}, {"#ff0000", "#ffffff", 4.00},
		{"#0000ff", "#ffffff", 8.59}, {"#f2a33c", "#000000", 10.08},
	} {
		a, _ := Parse(c.a)
		b, _ := Parse(c.b)
		if got := a.Contrast(b); math.Abs(got-c.want) > .01 || b.Contrast(a) != got {
			t.Errorf("%s on %s: %.2f, want %.2f", c.a, c.b, got, c.want)
		}
	}
}

func TestCheck(t *testing.T) {
	for _, c := range []struct {
		accent, where, text string
	}{
		{"#0a7d6c", "", "#ffffff"},
		{"#f2a33c", "", "#000000"}, // ours
		{"#1f6feb", "", "#ffffff"},
		{"#c2410c", "", "#ffffff"},
		{"#808080", "", "#000000"},
		{"#f2a33d", "light", "#000000"},
		{"#ffffff", "light", "#000000"},
		{"#ffee00", "light", "#000000"},
		{"#000000", "dark", "#ffffff"},
		{"#0000ff", "dark", "#ffffff"},
		{"#3b0764", "dark", "#ffffff"},
	} {
		a, _ := Parse(c.accent)
		if got := a.Text().String(); got != c.text {
			t.Errorf("text on %s is %s, want %s", c.accent, got, c.text)
		}
		err := Check(a)
		e := (*AccentError)(nil)
		switch {
		case c.where == "":
			if err != nil {
				t.Errorf("%s: %v", c.accent, err)
			}
			continue
		case !errors.As(err, &e) || !errors.Is(err, idp.ErrInvalid) || e.Where != c.where || e.Ratio >= e.Need:
			t.Errorf("%s: %v, want too little in %q", c.accent, err, c.where)
			continue
		}
		if Check(e.Nearest) != nil {
			t.Errorf("%s: the nearest, %v, is refused itself", c.accent, e.Nearest)
		}
		if !strings.Contains(err.Error(), e.Nearest.String()) {
			t.Errorf("%v does not name the nearest", err)
		}
	}
}

// Every colour has a nearest that is good, carries text, and stays readable
// under the pointer.
func TestEveryColourHasANearest(t *testing.T) {
	for r := 0; r < 256; r += 15 {
		for g := 0; g < 256; g += 15 {
			for b := 0; b < 256; b += 15 {
				c := Colour{uint8(r), uint8(g), uint8(b)}
				if e := (*AccentError)(nil); errors.As(Check(c), &e) {
					if c = e.Nearest; Check(c) != nil {
						t.Fatalf("%v: nearest %v is none", Colour{uint8(r), uint8(g), uint8(b)}, c)
					}
				}
				if got := c.Lit().Contrast(c.Text()); got < ForText {
					t.Fatalf("%v lit is %v, its text has %.2f", c, c.Lit(), got)
				}
			}
		}
	}
}

func TestFaint(t *testing.T) {
	type paint struct {
		ink  color.NRGBA
		part image.Rectangle // of 100 by 100
	}
	whole := image.Rect(0, 0, 100, 100)
	solid := func(r, g, b, a uint8) []paint { return []paint{{color.NRGBA{r, g, b, a}, whole}} }
	for name, c := range map[string]struct {
		paint []paint
		want  Faint
	}{
		"black":                             {solid(0, 0, 0, 255), Faint{Dark: true}},
		"the dark ground itself":            {solid(0x0e, 0x11, 0x15, 255), Faint{Dark: true}},
		"navy":                              {solid(0x10, 0x14, 0x30, 255), Faint{Dark: true}},
		"a dark blue that is seen":          {solid(0x1f, 0x3a, 0x93, 255), Faint{}},
		"white":                             {solid(255, 255, 255, 255), Faint{Light: true}},
		"the light ground itself":           {solid(0xee, 0xf1, 0xf5, 255), Faint{Light: true}},
		"pale yellow":                       {solid(0xff, 0xf4, 0xc0, 255), Faint{Light: true}},
		"our amber":                         {solid(0xf2, 0xa3, 0x3c, 255), Faint{}},
		"grey":                              {solid(0x80, 0x80, 0x80, 255), Faint{}},
		"hardly there, whatever its colour": {solid(0x80, 0x80, 0x80, 20), Faint{Dark: true, Light: true}},
		"half transparent white":            {solid(255, 255, 255, 128), Faint{Light: true}},
		"half transparent black":            {solid(0, 0, 0, 128), Faint{Dark: true}},
		"black on a white card":             {[]paint{{color.NRGBA{255, 255, 255, 255}, whole}, {color.NRGBA{0, 0, 0, 255}, image.Rect(20, 20, 80, 80)}}, Faint{}},
		"black with a red dot":              {[]paint{{color.NRGBA{0, 0, 0, 255}, whole}, {color.NRGBA{220, 30, 30, 255}, image.Rect(0, 0, 20, 20)}}, Faint{Dark: true}},
		"black with a red half":             {[]paint{{color.NRGBA{0, 0, 0, 255}, whole}, {color.NRGBA{220, 30, 30, 255}, image.Rect(0, 0, 100, 50)}}, Faint{}},
		"a thin black line on nothing":      {[]paint{{color.NRGBA{0, 0, 0, 255}, image.Rect(10, 50, 90, 51)}}, Faint{Dark: true}},
		"black, under a veil of white":      {[]paint{{color.NRGBA{255, 255, 255, 3}, whole}, {color.NRGBA{0, 0, 0, 255}, image.Rect(20, 20, 80, 80)}}, Faint{Dark: true}},
	} {
		m := image.NewNRGBA(whole)
		for _, p := range c.paint {
			draw.Draw(m, p.part, image.NewUniform(p.ink), image.Point{}, draw.Src)
		}
		if got := FaintOn(&idp.Picture{PNG: packed(t, m)}); got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
	// As it is kept: with grey, with a palette, drawn smaller.
	grey := image.NewGray(image.Rect(0, 0, 1200, 300))
	p, err := Logo("logo", packed(t, grey))
	if err != nil {
		t.Fatal(err)
	}
	if got := FaintOn(p); got != (Faint{Dark: true}) {
		t.Errorf("a black file: %+v", got)
	}
	if got := FaintOn(&idp.Picture{PNG: []byte("no picture")}); got != (Faint{}) {
		t.Errorf("no picture: %+v", got)
	}
}
