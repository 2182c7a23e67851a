package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// page is the whole picture.
type page struct {
	Title     string
	Threshold time.Duration // a slower token endpoint is degraded
	Danger    time.Duration // with less to live a token is in danger
	Marks     []mark
}

// mark is something that happened and can be seen in the charts.
type mark struct {
	What     string
	From, To time.Time // the same for an instant
}

// markName is the letter of a mark, beside its text at the top and in the charts.
func markName(i int) string { return string(rune('A' + i%26)) }

// Sizes in pixels.
const (
	pageWidth   = 1200.0
	pageMargin  = 24.0
	chartGap    = 20.0
	chartHeight = 248.0
	chartWidth  = (pageWidth - 2*pageMargin - chartGap) / 2
	lineHeight  = 19.0
)

// Colours, on white and apart also for who sees no red or green: by their lightness.
const (
	ink     = "#1f2328"
	pale    = "#59636e"
	grid    = "#e4e7eb"
	frame   = "#d1d9e0"
	shade   = "#f3ead2"
	blue    = "#0b5cad"
	orange  = "#d9730d"
	green   = "#1a7f5a"
	purple  = "#8250df"
	warning = "#c4232b"
)

// charts are those of the stack's dashboard, in its order.
func (p page) charts(l *lines) []chart {
	latency := float64(p.Threshold.Milliseconds())
	hours := p.Danger.Hours()
	return []chart{
		{Title: "Runway: until the first token expires", Unit: "hours", Series: []series{
			{"soonest of all tokens", blue, line, times(l.each("MinSecondsToExpiry", least), 1.0/3600)},
		}, Limits: []limit{{hours, "TokenInDanger: below " + short(p.Danger)}}},
		{Title: "Renewals and failures", Unit: "in 5 minutes", Whole: true, Series: []series{
			{"renewed", green, bar, l.each("Refreshed", sum)},
			{"failed", warning, bar, l.each("RefreshFailed", sum)},
		}},
		{Title: "Latency of token endpoints", Unit: "ms", FromZero: true, Series: []series{
			{"slowest that counts", orange, line, l.each("AuthLatency", most)},
			{"median", blue, line, l.each("AuthLatency", median)},
		}, Limits: []limit{{latency, "AuthSlow: above " + figure(latency) + " ms"}}},
		{Title: "Requests answered as they should be", Unit: "%", FromZero: true, Top: 100, Series: []series{
			{"in 5 minutes", green, line, times(l.each("AuthSuccess", average), 100)},
		}},
		{Title: "Connections that need a look", Unit: "connections", Whole: true, FromZero: true, Series: []series{
			{"failing", warning, step, l.each("Failing", most)},
			{"overdue", orange, step, l.each("RenewalOverdue", most)},
			{"on a standby pair", purple, step, l.each("FallbackActive", most)},
		}},
		{Title: "Notices", Unit: "in 5 minutes", Whole: true, Series: []series{
			{"notices", orange, bar, l.each("Notices", sum)},
		}},
		{Title: "Rotations", Unit: "steps", Whole: true, Series: []series{
			{"steps", blue, bar, l.each("RotationFailed", number)},
			{"of them failed", warning, bar, l.each("RotationFailed", sum)},
		}},
		{Title: "Capacity: writes needed of those allowed", Unit: "%", FromZero: true, Series: []series{
			{"needed", blue, line, capacity(l)},
		}, Limits: []limit{{80, "notice: above 80 %"}}},
	}
}

// capacity is the share of the writes allowed that the connections need.
func capacity(l *lines) []point {
	needed, allowed := l.each(capacityNeeded, most), l.each(capacityAllowed, least)
	share := make([]point, 0, len(needed))
	for i, n := range needed {
		if a := allowed[i].value; a > 0 {
			share = append(share, point{n.at, 100 * n.value / a})
		}
	}
	return share
}

// draw makes the picture.
func (p page) draw(l *lines) (string, error) {
	if l.count == 0 {
		return "", errors.New("no line of the input is one of metrics: give it what the functions print")
	}
	from, to := l.first.Truncate(period), l.last.Truncate(period).Add(period)
	marks := slices.Clone(p.Marks)
	charts := p.charts(l)
	top := 62 + lineHeight*float64((len(marks)+1)/2) + 18
	rows := (len(charts) + 1) / 2
	height := top + float64(rows)*(chartHeight+chartGap) + 4
	var s svg
	s.add(`<svg xmlns="http://www.w3.org/2000/svg" width="%s" height="%s" viewBox="0 0 %s %s" font-family="system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', Arial, sans-serif" font-size="12" fill="%s" role="img">`,
		figure(pageWidth), figure(height), figure(pageWidth), figure(height), ink)
	s.add(`<title>%s</title>`, escape(p.Title))
	s.add(`<rect width="100%%" height="100%%" fill="#ffffff"/>`)
	s.text(pageMargin, 34, `font-size="20" font-weight="600"`, p.Title)
	s.text(pageMargin, 54, `fill="`+pale+`"`, fmt.Sprintf("%s to %s UTC, 5 minutes a point, drawn by cmd/dashboard from %d lines that the functions printed",
		from.Format("2006-01-02 15:04"), to.Format("2006-01-02 15:04"), l.count))
	for i, m := range marks {
		x := pageMargin + float64(i%2)*(chartWidth+chartGap)
		y := 78 + lineHeight*float64(i/2)
		s.add(`<rect x="%s" y="%s" width="15" height="15" rx="2" fill="%s" stroke="%s"/>`, figure(x), figure(y-12), shade, frame)
		s.text(x+7.5, y, `font-size="11" font-weight="600" text-anchor="middle"`, markName(i))
		s.text(x+22, y, "", m.when()+"  "+m.What)
	}
	for i, c := range charts {
		c.x = pageMargin + float64(i%2)*(chartWidth+chartGap)
		c.y = top + float64(i/2)*(chartHeight+chartGap)
		c.from, c.to, c.marks = from, to, marks
		c.draw(&s)
	}
	s.add(`</svg>`)
	return s.String(), nil
}

// when says when a mark was.
func (m mark) when() string {
	from := m.From.UTC().Format("Jan 2 15:04")
	switch {
	case m.To.Equal(m.From):
		return from
	case m.To.UTC().Format("Jan 2") == m.From.UTC().Format("Jan 2"):
		return from + "–" + m.To.UTC().Format("15:04")
	}
	return from + " – " + m.To.UTC().Format("Jan 2 15:04")
}

// short writes a duration as one says it: 15 min.
func short(d time.Duration) string {
	if d%time.Hour == 0 {
		return fmt.Sprintf("%d h", d/time.Hour)
	}
	return strings.TrimSuffix(fmt.Sprintf("%.1f", d.Minutes()), ".0") + " min"
}
