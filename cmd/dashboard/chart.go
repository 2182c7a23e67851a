package main

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// kind is how a series is drawn.
type kind int

const (
	line kind = iota // from point to point
	step             // each value until the next
	bar              // from zero
)

// series is one metric of a chart.
type series struct {
	name   string
	colour string
	kind   kind
	points []point
}

// limit is the value at which an alarm rings, or a notice is made.
type limit struct {
	value float64
	name  string
}

// chart is one of the pictures.
type chart struct {
	Title    string
	Unit     string
	Whole    bool // the values are whole numbers
	FromZero bool
	Top      float64 // end of the axis; 0: from the values
	Series   []series
	Limits   []limit

	x, y     float64 // of its upper left corner
	from, to time.Time
	marks    []mark
	axis     axis
}

// What a chart keeps free around its plot.
const (
	padLeft, padRight, padTop, padBottom = 56.0, 24.0, 66.0, 40.0
)

func (c *chart) left() float64   { return c.x + padLeft }
func (c *chart) right() float64  { return c.x + chartWidth - padRight }
func (c *chart) top() float64    { return c.y + padTop }
func (c *chart) bottom() float64 { return c.y + chartHeight - padBottom }

// at is where an instant stands on the time axis.
func (c *chart) at(t time.Time) float64 {
	share := t.Sub(c.from).Seconds() / c.to.Sub(c.from).Seconds()
	return c.left() + min(max(share, 0), 1)*(c.right()-c.left())
}

// of is where a value stands.
func (c *chart) of(value float64) float64 {
	share := (value - c.axis.low) / (c.axis.high - c.axis.low)
	return c.bottom() - min(max(share, 0), 1)*(c.bottom()-c.top())
}

func (c *chart) draw(s *svg) {
	c.axis = c.values()
	s.add(`<rect x="%s" y="%s" width="%s" height="%s" rx="6" fill="none" stroke="%s"/>`, figure(c.x), figure(c.y), figure(chartWidth), figure(chartHeight), frame)
	s.text(c.x+14, c.y+22, `font-size="14" font-weight="600"`, c.Title)
	c.drawLegend(s)
	c.drawMarks(s)
	c.drawAxes(s)
	for _, l := range c.Limits {
		s.add(`<line x1="%s" y1="%s" x2="%s" y2="%s" stroke="%s" stroke-width="1.2" stroke-dasharray="6 4"/>`,
			figure(c.left()), figure(c.of(l.value)), figure(c.right()), figure(c.of(l.value)), warning)
	}
	c.drawBars(s)
	for i, x := range c.Series {
		if x.kind != bar && len(x.points) > 0 {
			c.drawLine(s, x, 1.6+1.1*float64(len(c.Series)-1-i)) // of lines that lie on each other all are seen
		}
	}
}

// values is the axis that holds all values, the limits, and zero where it belongs to them.
func (c *chart) values() axis {
	low, high := math.Inf(1), math.Inf(-1)
	reach := func(v float64) { low, high = min(low, v), max(high, v) }
	for _, x := range c.Series {
		for _, p := range x.points {
			reach(p.value)
		}
		if c.FromZero || x.kind == bar {
			reach(0)
		}
	}
	for _, l := range c.Limits {
		reach(l.value)
	}
	if math.IsInf(low, 0) {
		low, high = 0, 1
	}
	if c.Top != 0 {
		high = c.Top
	}
	return newAxis(low, high, c.Whole)
}

// drawLegend says what each colour is, below the title, and the name of a limit.
func (c *chart) drawLegend(s *svg) {
	x, y := c.x+14, c.y+41
	item := func(colour, dash, name string) {
		s.add(`<line x1="%s" y1="%s" x2="%s" y2="%s" stroke="%s" stroke-width="3"%s/>`, figure(x), figure(y-4), figure(x+16), figure(y-4), colour, dash)
		s.text(x+21, y, `fill="`+pale+`"`, name)
		x += 21 + 6.3*float64(len([]rune(name))) + 16
	}
	for _, one := range c.Series {
		name := one.name
		if len(one.points) == 0 {
			name += " (no value)"
		}
		item(one.colour, "", name)
	}
	for _, l := range c.Limits {
		item(warning, ` stroke-dasharray="5 3"`, l.name)
	}
}

// drawMarks shades what happened.
func (c *chart) drawMarks(s *svg) {
	for i, m := range c.marks {
		from, to := c.at(m.From), c.at(m.To)
		s.add(`<rect x="%s" y="%s" width="%s" height="%s" fill="%s"/>`, figure(from), figure(c.top()), figure(max(to-from, 2)), figure(c.bottom()-c.top()), shade)
		s.text((from+max(to, from+2))/2, c.top()-4, `font-size="10" font-weight="600" text-anchor="middle" fill="`+pale+`"`, markName(i))
	}
}

func (c *chart) drawAxes(s *svg) {
	for _, v := range c.axis.ticks {
		y := c.of(v)
		colour := grid
		if v == 0 {
			colour = pale
		}
		s.add(`<line x1="%s" y1="%s" x2="%s" y2="%s" stroke="%s"/>`, figure(c.left()), figure(y), figure(c.right()), figure(y), colour)
		s.text(c.left()-7, y+4, `font-size="11" text-anchor="end" fill="`+pale+`"`, strconv.FormatFloat(v, 'g', 6, 64))
	}
	s.add(`<text transform="translate(%s %s) rotate(-90)" font-size="11" text-anchor="middle" fill="%s">%s</text>`,
		figure(c.x+15), figure((c.top()+c.bottom())/2), pale, escape(c.Unit))
	every := spacing(c.to.Sub(c.from))
	for t := c.from.Truncate(every); !t.After(c.to); t = t.Add(every) {
		if t.Before(c.from) {
			continue
		}
		x := c.at(t)
		s.add(`<line x1="%s" y1="%s" x2="%s" y2="%s" stroke="%s"/>`, figure(x), figure(c.bottom()), figure(x), figure(c.bottom()+4), pale)
		s.text(x, c.bottom()+16, `font-size="11" text-anchor="middle" fill="`+pale+`"`, t.UTC().Format("15:04"))
		if t.Equal(t.Truncate(24 * time.Hour)) {
			s.text(x, c.bottom()+30, `font-size="11" font-weight="600" text-anchor="middle" fill="`+pale+`"`, t.UTC().Format("Jan 2"))
		}
	}
}

// spacing of the times below a chart, so that seven to thirteen stand there.
func spacing(span time.Duration) time.Duration {
	for _, every := range []time.Duration{5 * time.Minute, 15 * time.Minute, 30 * time.Minute, time.Hour, 2 * time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour} {
		if span <= 10*every {
			return every
		}
	}
	return 24 * time.Hour * time.Duration(1+int(span/(240*time.Hour)))
}

// drawLine draws a line, and none over a time without values.
func (c *chart) drawLine(s *svg, x series, width float64) {
	var path strings.Builder
	var last point
	for i, p := range x.points {
		px, py := c.at(p.at), c.of(p.value)
		switch {
		case i == 0 || p.at.Sub(last.at) > 3*period:
			fmt.Fprintf(&path, "M%s %s", figure(px), figure(py))
		case p.value == last.value && i+1 < len(x.points) && x.points[i+1].value == p.value && x.points[i+1].at.Sub(p.at) <= 3*period:
			// within a level stretch: the line goes on
		case x.kind == step:
			fmt.Fprintf(&path, "H%sV%s", figure(px), figure(py))
		default:
			fmt.Fprintf(&path, "L%s %s", figure(px), figure(py))
		}
		last = p
	}
	s.add(`<path d="%s" fill="none" stroke="%s" stroke-width="%s" stroke-linejoin="round"/>`, path.String(), x.colour, figure(width))
}

// drawBars draws one bar for each value that is not zero, wide enough to be seen, the longer ones behind the shorter.
func (c *chart) drawBars(s *svg) {
	width := max((c.right()-c.left())*period.Seconds()/c.to.Sub(c.from).Seconds(), 2.4)
	type one struct {
		point
		colour string
	}
	var bars []one
	for _, x := range c.Series {
		for _, p := range x.points {
			if x.kind == bar && p.value != 0 {
				bars = append(bars, one{p, x.colour})
			}
		}
	}
	slices.SortStableFunc(bars, func(a, b one) int { return cmp.Or(a.at.Compare(b.at), cmp.Compare(b.value, a.value)) })
	for _, b := range bars {
		s.add(`<path d="M%s %sV%s" stroke="%s" stroke-width="%s"/>`, figure(c.at(b.at.Add(period/2))), figure(c.of(0)), figure(c.of(b.value)), b.colour, figure(width))
	}
}

// axis is the scale of the values.
type axis struct {
	low, high float64
	ticks     []float64
}

// newAxis takes steps of 1, 2 or 5 times a power of ten, four to eight of them.
func newAxis(low, high float64, whole bool) axis {
	if high <= low {
		high = low + 1
	}
	step := math.Pow(10, math.Floor(math.Log10((high-low)/4)))
	for _, factor := range []float64{1, 2, 5, 10} {
		if (high-low)/(factor*step) <= 6 {
			step *= factor
			break
		}
	}
	if whole {
		step = max(step, 1)
	}
	a := axis{low: math.Floor(low/step) * step, high: math.Ceil(high/step) * step}
	for i := 0; ; i++ {
		v := a.low + float64(i)*step
		if v > a.high+step/2 {
			return a
		}
		a.ticks = append(a.ticks, v)
	}
}

// svg is a picture that grows.
type svg struct{ strings.Builder }

func (s *svg) add(format string, args ...any) { _, _ = fmt.Fprintf(s, format+"\n", args...) }

func (s *svg) text(x, y float64, attributes, words string) {
	if attributes != "" {
		attributes = " " + attributes
	}
	s.add(`<text x="%s" y="%s"%s>%s</text>`, figure(x), figure(y), attributes, escape(words))
}

// figure writes a number with one decimal at most. It is rounded to a millionth first, so that one that lies between two decimals, but for what
// processors make of the last bits, is the same on all of them.
func figure(v float64) string {
	text := strconv.FormatFloat(math.Round(math.Round(v*1e6)/1e5)/10, 'f', -1, 64)
	if text == "-0" {
		return "0"
	}
	return text
}

// escape makes text safe between tags.
func escape(text string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(text)
}
