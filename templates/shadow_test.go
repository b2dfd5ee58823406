package templates

import (
	"reflect"
	"testing"
)

// A page has the fields of its Frame, by their names. One of its own with such a name would
// hide that of the frame, silently: the layout would show another thing.
func TestNoPageHidesWhatItsFrameSays(t *testing.T) {
	frame := map[string]bool{}
	for _, f := range reflect.VisibleFields(reflect.TypeFor[Frame]()) {
		frame[f.Name] = true
	}
	seen := map[reflect.Type]bool{}
	for _, e := range examples() {
		page := reflect.TypeOf(e.page)
		_, framed := page.FieldByName("Frame")
		if seen[page] || !framed {
			continue
		}
		seen[page] = true
		for _, f := range reflect.VisibleFields(page) {
			// What is promoted from the frame has an index that leads through it.
			if !frame[f.Name] {
				continue
			}
			got, ok := page.FieldByName(f.Name)
			if !ok || len(got.Index) < 2 || page.FieldByIndex(got.Index[:len(got.Index)-1]).Type != reflect.TypeFor[Frame]() {
				t.Errorf("%s.%s is not that of its frame", page.Name(), f.Name)
			}
		}
	}
	if len(seen) < 50 {
		t.Errorf("%d pages were looked at", len(seen))
	}
}
