package main

import (
	"bytes"
	"fmt"
	"html"
)

// bar is one bar of a chart.
type bar struct {
	label, text string
	value       float64
	ours        bool
}

// group is the bars of a case; bars compare within it only.
type group struct {
	title string
	bars  []bar
}

// chart draws CPU per row, a group for each case, each to its own scale.
func (r *run) chart(workload string) []byte {
	var groups []group
	for _, o := range r.outcomes {
		if o.Workload != workload || o.Failed != "" {
			continue
		}
		if n := len(groups); n == 0 || groups[n-1].title != o.Case {
			groups = append(groups, group{title: o.Case})
		}
		g := &groups[len(groups)-1]
		g.bars = append(g.bars, bar{o.name(r), thousands(o.cpu()) + " ns", o.cpu(), o.System == frazil})
	}
	return svg(workload+": CPU per row, less is better", groups)
}

// svg draws groups of horizontal bars.
func svg(title string, groups []group) []byte {
	const (
		width, left, right = 760, 230, 110
		barHeight, gap     = 18, 14
	)
	height := 40
	for _, g := range groups {
		height += 20 + len(g.bars)*(barHeight+4) + gap
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12">`+"\n", width, height, width, height)
	fmt.Fprintf(&b, `<rect width="100%%" height="100%%" fill="#fff"/><text x="12" y="24" font-size="15">%s</text>`+"\n", html.EscapeString(title))
	y := 40
	for _, g := range groups {
		fmt.Fprintf(&b, `<text x="12" y="%d" font-weight="bold">%s</text>`+"\n", y+14, html.EscapeString(g.title))
		y += 20
		most := 0.0
		for _, x := range g.bars {
			most = max(most, x.value)
		}
		for _, x := range g.bars {
			fill, w := "#9aa5b1", 1.0
			if x.ours {
				fill = "#1f6feb"
			}
			if most > 0 {
				w = max(1, x.value/most*(width-left-right))
			}
			fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="end">%s</text>`, left-8, y+13, html.EscapeString(x.label))
			fmt.Fprintf(&b, `<rect x="%d" y="%d" width="%.1f" height="%d" fill="%s"/>`, left, y, w, barHeight, fill)
			fmt.Fprintf(&b, `<text x="%.1f" y="%d">%s</text>`+"\n", left+w+6, y+13, html.EscapeString(x.text))
			y += barHeight + 4
		}
		y += gap
	}
	b.WriteString("</svg>\n")
	return b.Bytes()
}
