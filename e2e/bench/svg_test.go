package bench

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"slices"
)

// The picture's measures, in pixels.
const (
	pictureWidth = 1000
	margin       = 24
	rowHeight    = 22
	labelWidth   = 250 // of what a bar is
	barWidth     = 260 // of the longest bar
	headHeight   = 110
	partHeight   = 58 // of a heading, with the space above
)

// style has the colours of both themes. Text is text: it is read aloud, found and copied.
const style = `
svg { background: #fbfaf8; font: 13px system-ui, sans-serif; }
text { fill: #23211e; }
.title { font-size: 20px; font-weight: 600; }
.part { font-size: 15px; font-weight: 600; }
.quiet { fill: #6b665f; font-size: 12px; }
.rate { fill: #c98a1b; }
.late { fill: #4a7fb5; }
.line { stroke: #d9d4cc; }
@media (prefers-color-scheme: dark) {
svg { background: #171614; }
text { fill: #edeae5; }
.quiet { fill: #a39d94; }
.rate { fill: #d99a2b; }
.late { fill: #6fa3d8; }
.line { stroke: #3a3732; }
}
`

// picture is one that is being drawn: bars beneath headings, each with what it is and says.
type picture struct {
	body  bytes.Buffer
	title string
	y     int    // of the row that is drawn now
	on    string // of the row before
}

// newPicture begins one, with where and when its figures are of, and what the colours are.
func newPicture(title string, of *conditions, colours string) *picture {
	p := &picture{title: title, y: headHeight}
	machine, run := of.where()
	p.text(margin, 36, "title", "start", title)
	p.text(margin, 58, "quiet", "start", machine)
	p.text(margin, 76, "quiet", "start", run)
	p.text(margin, 94, "quiet", "start", colours)
	return p
}

func (p *picture) text(x, y int, class, anchor, s string) {
	fmt.Fprintf(&p.body, `<text x="%d" y="%d" class="%s" text-anchor="%s">%s</text>`+"\n", x, y, class, anchor, escaped(s))
}

// part begins what was measured of one thing, of which one core does so much at most.
func (p *picture) part(what string, most float64, of string) {
	p.y, p.on = p.y+partHeight, ""
	p.text(margin, p.y-22, "part", "start", what)
	p.text(pictureWidth-margin, p.y-22, "quiet", "end", fmt.Sprintf("one core at most: %s /s (%s)", number(most), of))
}

// row draws a row: where it was measured, unless the one before says so, how, and what it says
// beside its bars.
func (p *picture) row(on, how, says string, bars func(x, y int)) {
	if on != p.on {
		p.on = on
		fmt.Fprintf(&p.body, `<line class="line" x1="%d" y1="%d" x2="%d" y2="%d"/>`+"\n", margin, p.y-rowHeight+7, pictureWidth-margin, p.y-rowHeight+7)
		p.text(margin, p.y, "", "start", on)
	}
	p.text(margin+labelWidth-10, p.y, "quiet", "end", how)
	bars(margin+labelWidth, p.y-11)
	p.text(margin+labelWidth+barWidth+12, p.y, "", "start", says)
	p.y += rowHeight
}

// bar draws a part of the longest, so many pixels high.
func (p *picture) bar(class string, x, y, high int, part float64) {
	fmt.Fprintf(&p.body, `<rect class="%s" x="%d" y="%d" width="%.1f" height="%d" rx="%d"/>`+"\n", class, x, y, max(1, part*barWidth), high, high/6)
}

// svg is the whole, with what it shows in words.
func (p *picture) svg(shows string) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" role="img" aria-labelledby="title desc">`+"\n", pictureWidth, p.y+margin, pictureWidth, p.y+margin)
	fmt.Fprintf(&b, "<title id=\"title\">%s</title>\n<desc id=\"desc\">%s</desc>\n<style>%s</style>\n", escaped(p.title), escaped(shows), style)
	b.Write(p.body.Bytes())
	b.WriteString("</svg>\n")
	return b.Bytes()
}

// svg draws the report: for each thing that was measured the rates of closed loops, as long as
// they are of the greatest, and the p99 of open ones.
func (r *report) svg() []byte {
	p := newPicture("Hilum under load, "+r.Date, &r.conditions, "Amber: per second, each connection asks when it was answered. Blue: p99 of requests that come by the clock, from when they were due.")
	for _, w := range reported {
		rows := slices.DeleteFunc(slices.Clone(r.Rows), func(l line) bool { return l.What != w.what })
		if len(rows) == 0 {
			continue
		}
		most, latest := 0.0, 0.0
		for _, l := range rows {
			if l.Open {
				latest = max(latest, l.P99)
			} else {
				most = max(most, l.Rate)
			}
		}
		p.part(w.what, rows[0].Limit, rows[0].Of)
		for _, l := range rows {
			said := fmt.Sprintf("%s /s, %.0f %% of it; p50 %s, p99 %s ms; CPU %s µs", number(l.Rate), 100*l.share(), number(l.P50), number(l.P99), number(l.CPU))
			p.row(l.On, l.How, said, func(x, y int) {
				class, part := "rate", l.Rate/most
				if l.Open {
					class, part = "late", l.P99/latest
				}
				p.bar(class, x, y, 12, part)
			})
		}
	}
	return p.svg("Requests a second, their times and the processor's, for " + fmt.Sprint(len(r.Rows)) + " loads on SQLite, PostgreSQL and three instances; report.md has the same as a table.")
}

func escaped(s string) string {
	var b bytes.Buffer
	_ = xml.EscapeText(&b, []byte(s)) // a buffer takes all
	return b.String()
}
