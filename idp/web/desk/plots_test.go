package desk

import (
	"testing"

	"hilum/idp"
)

// What is drawn of a day is as high as its count, whole, and within the plot.
func TestPlots(t *testing.T) {
	days := []idp.Day{
		{Done: map[idp.EventKind]int{idp.EventPasswordWrong: 1000, idp.EventCodeWrong: 1, idp.EventPhoneDenied: 1, idp.EventNotMe: 1}},
		{Done: map[idp.EventKind]int{idp.EventPasswordWrong: 500}}, {},
	}
	for _, p := range trends(nil) {
		if len(p.Bars) != 0 || len(p.Days) != 0 || p.Width < 1 {
			t.Errorf("of no day is drawn %+v", p)
		}
	}
	p := trends(days)[2]
	if p.Most != 1003 || len(p.Days) != 3 || p.Series[2].Sum != 2 {
		t.Errorf("drawn %+v", p)
	}
	for _, b := range p.Bars {
		if b.Y < 0 || b.H < 1 || b.Y+b.H > p.Height || b.X < 0 || b.X+b.W > p.Width {
			t.Errorf("bar %+v is not within %d × %d", b, p.Width, p.Height)
		}
	}
	if half := p.Bars[3]; half.H != plotHigh*500/1003 {
		t.Errorf("half is drawn as %+v", half)
	}
}
