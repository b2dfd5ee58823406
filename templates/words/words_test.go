package words

import (
	"reflect"
	"testing"
)

func set(t *testing.T) *Set {
	t.Helper()
	s, err := New()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestWords(t *testing.T) {
	c := English()
	for _, is := range []struct {
		key  string
		args []any
		want string
	}{
		{"continue", nil, "Continue"},
		{"password.title", []any{"App", "Viewer"}, "Sign in to Viewer"},
		{"toomany.seconds", []any{"N", 1}, "This was tried too often. Try again in 1 second."},
		{"toomany.seconds", []any{"N", 8}, "This was tried too often. Try again in 8 seconds."},
		{"admin.import.line", []any{"N", 1}, "Line 1"},
		{"password.title", []any{"App", "{{.Site}}"}, "Sign in to {{.Site}}"},
		{"password.title", []any{"App", "مستشفى (KFSH)"}, "Sign in to \u2068مستشفى (KFSH)\u2069"},
		{"password.title", []any{"App", "東京大学"}, "Sign in to 東京大学"},
	} {
		got, err := c.Text(is.key, is.args...)
		if err != nil || got != is.want {
			t.Errorf("%s: %q, %v; want %q", is.key, got, err, is.want)
		}
	}
	if _, err := c.Text("no.such.key"); err == nil {
		t.Error("a missing key was said")
	}
	if _, err := c.Text("continue", "odd"); err == nil {
		t.Error("an odd number of arguments was taken")
	}
	if got, err := c.Say(Message{}); got != "" || err != nil {
		t.Errorf("the zero message says %q, %v", got, err)
	}
}

func TestRichSetsNamesApart(t *testing.T) {
	c := English()
	for _, is := range []struct {
		name string
		app  string
		want []Part
	}{
		{"plain", "Viewer", []Part{{"Sign in to ", false}, {"Viewer", true}}},
		{"empty", "", []Part{{"Sign in to ", false}}},
		{"marks in the name", "a\uE001b\uE000c", []Part{{"Sign in to ", false}, {"a", true}, {"b", false}, {"c", true}}},
	} {
		got, err := c.Rich("password.title", "App", is.app)
		if err != nil || !reflect.DeepEqual(got, is.want) {
			t.Errorf("%s: %v, %v; want %v", is.name, got, err, is.want)
		}
	}
}
