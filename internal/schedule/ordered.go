package schedule

// ordered is a priority queue; use it through container/heap.
type ordered[E any] struct {
	items []E
	less  func(a, b E) bool
	move  func(item E, position int) // keeps an item's position up to date, -1 once it is out; nil when nobody needs it
}

// Len is the number of items.
func (o *ordered[E]) Len() int { return len(o.items) }

// Less compares two positions.
func (o *ordered[E]) Less(i, j int) bool { return o.less(o.items[i], o.items[j]) }

// Swap exchanges two positions.
func (o *ordered[E]) Swap(i, j int) {
	o.items[i], o.items[j] = o.items[j], o.items[i]
	o.moved(i)
	o.moved(j)
}

// Push is for container/heap.
func (o *ordered[E]) Push(x any) {
	item, _ := x.(E)
	o.items = append(o.items, item)
	o.moved(len(o.items) - 1)
}

// Pop is for container/heap.
func (o *ordered[E]) Pop() any {
	var none E
	last := len(o.items) - 1
	item := o.items[last]
	o.items[last] = none // release it
	o.items = o.items[:last]
	if o.move != nil {
		o.move(item, -1)
	}
	return item
}

func (o *ordered[E]) moved(position int) {
	if o.move != nil {
		o.move(o.items[position], position)
	}
}
