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

// svg draws the report: for each thing that was measured the rates of closed loops, as long as
// they are of the greatest, and the p99 of open ones.
func (r *report) svg() []byte {
	var b, body bytes.Buffer
	y := headHeight
	text := func(x, y int, class, anchor, s string) {
		fmt.Fprintf(&body, `<text x="%d" y="%d" class="%s" text-anchor="%s">%s</text>`+"\n", x, y, class, anchor, escaped(s))
	}
	text(margin, 36, "title", "start", "Hilum under load, "+r.Date)
	machine, run := r.where()
	text(margin, 58, "quiet", "start", machine)
	text(margin, 76, "quiet", "start", run)
	text(margin, 94, "quiet", "start", "Amber: per second, each connection asks when it was answered. Blue: p99 of requests that come by the clock, from when they were due.")
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
		y += partHeight
		text(margin, y-22, "part", "start", w.what)
		text(pictureWidth-margin, y-22, "quiet", "end", fmt.Sprintf("one core at most: %s /s (%s)", number(rows[0].Limit), rows[0].Of))
		on := ""
		for _, l := range rows {
			if l.On != on {
				on = l.On
				fmt.Fprintf(&body, `<line class="line" x1="%d" y1="%d" x2="%d" y2="%d"/>`+"\n", margin, y-rowHeight+7, pictureWidth-margin, y-rowHeight+7)
				text(margin, y, "", "start", on)
			}
			text(margin+labelWidth-10, y, "quiet", "end", l.How)
			class, long := "rate", l.Rate/most
			if l.Open {
				class, long = "late", l.P99/latest
			}
			fmt.Fprintf(&body, `<rect class="%s" x="%d" y="%d" width="%.1f" height="12" rx="2"/>`+"\n", class, margin+labelWidth, y-11, max(1, long*barWidth))
			said := fmt.Sprintf("%s /s, %.0f %% of it; p50 %s, p99 %s ms; CPU %s µs", number(l.Rate), 100*l.share(), number(l.P50), number(l.P99), number(l.CPU))
			text(margin+labelWidth+barWidth+12, y, "", "start", said)
			y += rowHeight
		}
	}
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" role="img" aria-labelledby="title desc">`+"\n", pictureWidth, y+margin, pictureWidth, y+margin)
	fmt.Fprintf(&b, "<title id=\"title\">Hilum under load, %s</title>\n<desc id=\"desc\">%s</desc>\n<style>%s</style>\n", escaped(r.Date),
		escaped("Requests a second, their times and the processor's, for "+fmt.Sprint(len(r.Rows))+" loads on SQLite, PostgreSQL and three instances; report.md has the same as a table."), style)
	b.Write(body.Bytes())
	b.WriteString("</svg>\n")
	return b.Bytes()
}

func escaped(s string) string {
	var b bytes.Buffer
	_ = xml.EscapeText(&b, []byte(s)) // a buffer takes all
	return b.String()
}
