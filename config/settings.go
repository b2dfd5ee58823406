package config

import (
	"fmt"
	"reflect"
	"strings"
	"time"
)

// Setting is one setting as it is in force.
type Setting struct {
	Key     string // as in the file
	Value   string // as one would write it; empty for nothing
	Default string // likewise
	Place   string // "idp.yaml:12", "IDP_SESSIONS_IDLE"; empty: the default
	Env     string // the variable that would set it
}

// Settings lists every setting in force and where it comes from, in the order
// of the example. None is a secret: where one is needed the setting names a file.
func (c *Config) Settings() []Setting {
	defaults := settingsOf(reflect.ValueOf(Default()).Elem(), "")
	own := settingsOf(reflect.ValueOf(c).Elem(), "")
	out := make([]Setting, len(own))
	for i, s := range own {
		out[i] = Setting{Key: s.key, Value: shown(s.value), Default: shown(defaults[i].value), Place: c.places[s.key], Env: s.env()}
	}
	return out
}

// shown is a value as one would write it.
func shown(v reflect.Value) string {
	switch x := v.Interface().(type) {
	case time.Duration:
		s := x.String()
		if strings.HasSuffix(s, "m0s") {
			s = strings.TrimSuffix(s, "0s")
		}
		if strings.HasSuffix(s, "h0m") {
			s = strings.TrimSuffix(s, "0m")
		}
		return s
	case Place:
		return x.Name + " " + x.Range.String()
	case AndroidApp:
		return x.Package
	}
	if v.Kind() == reflect.Slice {
		list := make([]string, v.Len())
		for i := range list {
			list[i] = shown(v.Index(i))
		}
		return strings.Join(list, ", ")
	}
	return fmt.Sprint(v.Interface())
}
