package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// Prefix begins the name of every environment variable that sets a key:
// IDP_SESSIONS_IDLE sets sessions.idle. Lists are separated by commas.
const Prefix = "IDP_"

// DatabaseFlag is the flag of commands that names a database; it is the place of its faults.
const DatabaseFlag = "--database"

// Fault is one thing wrong with a configuration.
type Fault struct {
	Key     string // as in the file: "sessions.idle"; empty for the file as a whole
	Place   string // "idp.yaml:12", "IDP_SESSIONS_IDLE", or empty for a default
	Problem string // what is wrong and what would be right
}

func (f *Fault) Error() string {
	parts := make([]string, 0, 3)
	for _, s := range []string{f.Place, f.Key, f.Problem} {
		if s != "" {
			parts = append(parts, s)
		}
	}
	return strings.Join(parts, ": ")
}

// Load reads the defaults, over them the file at path (none when path is
// empty) and over that the environment, and validates the result. The error
// joins every fault found, each a *Fault; without one the Config is good.
func Load(path string, getenv func(string) string) (*Config, error) {
	return LoadFor("", path, getenv)
}

// LoadFor is Load for a command that was told by DatabaseFlag which database it works on: a
// URL that stands in place of every other setting that names one; empty: it was not told.
func LoadFor(database, path string, getenv func(string) string) (*Config, error) {
	c := Default()
	c.places = map[string]string{}
	settings := settingsOf(reflect.ValueOf(c).Elem(), "")
	var faults []*Fault
	if path != "" {
		data, err := os.ReadFile(path)
		if err != nil {
			problem := fmt.Sprintf("configuration cannot be read: %v", err)
			if path[0] == '~' {
				problem += "; only shells know what ~ means, write the whole path"
			}
			return nil, &Fault{Problem: problem}
		}
		faults = append(faults, c.readFile(path, data, settings)...)
	}
	faults = append(faults, c.readEnv(getenv, settings)...)
	c.file = c.DatabasePath()
	if database != "" {
		for _, s := range settings {
			switch s.key {
			case "database.driver", "database.path", "database.url_file":
				s.value.SetZero()
				delete(c.places, s.key)
			case "database.url":
				c.places[s.key] = DatabaseFlag
				if problem := s.set(&yaml.Node{Kind: yaml.ScalarNode, Value: database}); problem != "" {
					faults = append(faults, &Fault{s.key, DatabaseFlag, problem})
				}
			}
		}
	}
	// A value that could not be read is judged once: its default says nothing.
	unread := map[string]bool{}
	for _, f := range faults {
		unread[f.Key] = true
	}
	for _, f := range c.faults() {
		if !unread[f.Key] {
			faults = append(faults, f)
		}
	}
	if err := join(faults); err != nil {
		return nil, err
	}
	return c, nil
}

// setting is one field of Config that a key sets.
type setting struct {
	key   string
	value reflect.Value
}

func (s setting) env() string { return Prefix + strings.ToUpper(strings.ReplaceAll(s.key, ".", "_")) }

// settingsOf lists the settings of a struct, with those of the structs in it, by
// their keys in the file; prefix begins each key.
func settingsOf(v reflect.Value, prefix string) []setting {
	var out []setting
	for i := range v.NumField() {
		tag := v.Type().Field(i).Tag.Get("yaml")
		if tag == "" {
			continue
		}
		if f := v.Field(i); f.Kind() == reflect.Struct {
			out = append(out, settingsOf(f, prefix+tag+".")...)
		} else {
			out = append(out, setting{prefix + tag, f})
		}
	}
	return out
}

// AllKeys lists every key that can be set, in the order of Config.
func AllKeys() []string {
	var keys []string
	for _, s := range settingsOf(reflect.ValueOf(Default()).Elem(), "") {
		keys = append(keys, s.key)
	}
	return keys
}

// readFile reads one YAML document; path is for the places of faults.
func (c *Config) readFile(path string, data []byte, settings []setting) []*Fault {
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var doc yaml.Node
	if err := dec.Decode(&doc); errors.Is(err, io.EOF) {
		return nil // an empty file sets nothing
	} else if err != nil {
		return []*Fault{{Place: path, Problem: err.Error()}}
	}
	if err := dec.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return []*Fault{{Place: path, Problem: "one document is read, and there is a second"}}
	}
	return c.readNode(path, doc.Content[0], "", settings)
}

// readNode reads a mapping whose keys begin with prefix.
func (c *Config) readNode(path string, n *yaml.Node, prefix string, settings []setting) []*Fault {
	place := func(n *yaml.Node) string { return fmt.Sprintf("%s:%d", path, n.Line) }
	if n.Kind == yaml.ScalarNode && n.Tag == "!!null" {
		return nil // a heading with nothing beneath it
	}
	if n.Kind != yaml.MappingNode {
		return []*Fault{{strings.TrimSuffix(prefix, "."), place(n), "keys with values are wanted here"}}
	}
	var faults []*Fault
	seen := map[string]bool{}
	for i := 0; i < len(n.Content); i += 2 {
		name, value := n.Content[i], n.Content[i+1]
		key := prefix + name.Value
		at := slices.IndexFunc(settings, func(s setting) bool { return s.key == key })
		group := slices.ContainsFunc(settings, func(s setting) bool { return strings.HasPrefix(s.key, key+".") })
		switch {
		case seen[key]:
			faults = append(faults, &Fault{key, place(name), "stands here a second time"})
		case group:
			faults = append(faults, c.readNode(path, value, key+".", settings)...)
		case at < 0:
			faults = append(faults, &Fault{key, place(name), "is no setting" + suggest(key, settings)})
		default:
			c.places[key] = place(name)
			if problem := settings[at].set(value); problem != "" {
				faults = append(faults, &Fault{key, place(value), problem})
			}
		}
		seen[key] = true
	}
	return faults
}

// readEnv reads the environment. A variable that is empty sets nothing: that is how
// a composition leaves out what an image has set.
func (c *Config) readEnv(getenv func(string) string, settings []setting) []*Fault {
	var faults []*Fault
	for _, s := range settings {
		text := getenv(s.env())
		if text == "" || fromOrchestrator(s.env(), text) {
			continue
		}
		c.places[s.key] = s.env()
		n := &yaml.Node{Kind: yaml.ScalarNode, Value: text}
		if problem := s.mistaken(text); problem != "" {
			faults = append(faults, &Fault{s.key, s.env(), problem})
			continue
		}
		if s.value.Kind() == reflect.Slice {
			n = &yaml.Node{Kind: yaml.SequenceNode}
			for item := range strings.SplitSeq(text, ",") {
				n.Content = append(n.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: strings.TrimSpace(item)})
			}
		}
		if problem := s.set(n); problem != "" {
			faults = append(faults, &Fault{s.key, s.env(), problem})
		}
	}
	return faults
}

// set stores the value of a YAML node, or returns the problem with it.
func (s setting) set(n *yaml.Node) string {
	if problem := s.mistakenIn(n); problem != "" {
		return problem
	}
	fresh := reflect.New(s.value.Type())
	if err := n.Decode(fresh.Interface()); err != nil {
		return s.want(n, err)
	}
	if s.value.Type() == reflect.TypeFor[time.Duration]() && n.ShortTag() != "!!str" {
		return s.want(n, nil) // a bare number would be nanoseconds
	}
	s.value.Set(fresh.Elem())
	return ""
}

// want is the problem with a value of another type than the setting's.
func (s setting) want(n *yaml.Node, err error) string {
	switch s.value.Interface().(type) {
	case time.Duration:
		return fmt.Sprintf("%q is no duration; write a number with its unit, such as 90s, 15m or 12h%s", n.Value, durationHint(n.Value))
	case []Network:
		return fmt.Sprintf("is no list of addresses, such as [10.0.0.0/8, 192.0.2.7]: %v", err)
	case []AndroidApp:
		return "is no list of apps, each with its package and fingerprints; it stands in a file, and not in a variable"
	case []string:
		return "is no list of words, such as [RS256, ES256]"
	case string:
		return "is no text"
	case bool:
		return fmt.Sprintf("%q is neither true nor false", n.Value)
	default:
		return fmt.Sprintf("%q is no number that fits here", n.Value)
	}
}

// suggest names the setting that was probably meant.
func suggest(key string, settings []setting) string {
	names := make([]string, len(settings))
	for i, s := range settings {
		names[i] = s.key
	}
	if best, near := nearest(key, names, "."); near {
		return fmt.Sprintf("; perhaps %s is meant", best)
	}
	return "; `idp config example` prints all of them"
}

// faultsOf lists the faults that join has joined.
func faultsOf(err error) []*Fault {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return nil
	}
	var out []*Fault
	for _, one := range joined.Unwrap() {
		if f := (*Fault)(nil); errors.As(one, &f) {
			out = append(out, f)
		}
	}
	return out
}

// join makes one error of faults; of none it is nil.
func join(faults []*Fault) error {
	errs := make([]error, len(faults))
	for i, f := range faults {
		errs[i] = f
	}
	return errors.Join(errs...)
}
