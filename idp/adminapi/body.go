package adminapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"hilum/idp/serve"
)

// maxDepth is how deep a body may nest: members, the list in one, the objects in
// that, and their lists again.
const maxDepth = 8

// members are the members that the object in a body may have, each with where its value
// goes. null, as in a merge patch (RFC 7396), takes the value away.
type members[T any] map[string]member[T]

// member reads the value of one member; the function it returns puts that into its place.
type member[T any] func(json.RawMessage) (put func(*T), err error)

var (
	errText   = errors.New("is no text")
	errFlag   = errors.New("is neither true nor false")
	errTexts  = errors.New("is no list of texts")
	errNumber = errors.New("is no whole number of seconds")
	errMap    = errors.New("is no object of texts")
)

// value is a member whose value is read by one function.
func value[T, V any](at func(*T) *V, read func(json.RawMessage) (V, error)) member[T] {
	return func(raw json.RawMessage) (func(*T), error) {
		var v V
		if string(raw) != "null" {
			var err error
			if v, err = read(raw); err != nil {
				return nil, err
			}
		}
		return func(t *T) { *at(t) = v }, nil
	}
}

func text[T any, S ~string](at func(*T) *S) member[T] { return value(at, readText[S]) }

func readText[S ~string](raw json.RawMessage) (S, error) {
	var s string
	if raw[0] != '"' || json.Unmarshal(raw, &s) != nil {
		return "", errText
	}
	return S(s), nil
}

func flag[T any](at func(*T) *bool) member[T] {
	return value(at, func(raw json.RawMessage) (bool, error) {
		if s := string(raw); s != "true" && s != "false" {
			return false, errFlag
		}
		return string(raw) == "true", nil
	})
}

func texts[T any, S ~string](at func(*T) *[]S) member[T] {
	return value(at, func(raw json.RawMessage) ([]S, error) {
		var each []json.RawMessage
		if raw[0] != '[' || json.Unmarshal(raw, &each) != nil {
			return nil, errTexts
		}
		all := make([]S, len(each))
		for i := range each {
			var err error
			if all[i], err = readText[S](each[i]); err != nil {
				return nil, errTexts
			}
		}
		return all, nil
	})
}

func seconds[T any](at func(*T) *time.Duration) member[T] {
	return value(at, func(raw json.RawMessage) (time.Duration, error) {
		var n int32 // 68 years
		if json.Unmarshal(raw, &n) != nil {
			return 0, errNumber
		}
		return time.Duration(n) * time.Second, nil
	})
}

// whole is a member that is a whole number.
func whole[T any](at func(*T) *int) member[T] {
	return value(at, func(raw json.RawMessage) (int, error) {
		var n int32
		if json.Unmarshal(raw, &n) != nil {
			return 0, errors.New("is no whole number")
		}
		return int(n), nil
	})
}

// textMap is a member that is an object of texts, whatever their names.
func textMap[T any](at func(*T) *map[string]string) member[T] {
	return value(at, func(raw json.RawMessage) (map[string]string, error) {
		object, err := readObject(raw)
		if err != nil {
			return nil, errMap
		}
		all := map[string]string{}
		for name, one := range object {
			if all[name], err = readText[string](one); err != nil {
				return nil, errMap
			}
		}
		return all, nil
	})
}

// object is a member that is kept as the JSON text that it is.
func object[T any](at func(*T) *string) member[T] {
	return value(at, func(raw json.RawMessage) (string, error) {
		if raw[0] != '{' {
			return "", errors.New("is no object")
		}
		return string(raw), nil
	})
}

// objects is a member that is a list of objects, each with members of its own.
func objects[T, V any](at func(*T) *[]V, m members[V]) member[T] {
	return value(at, func(raw json.RawMessage) ([]V, error) {
		var each []json.RawMessage
		if raw[0] != '[' || json.Unmarshal(raw, &each) != nil {
			return nil, errors.New("is no list of objects")
		}
		all := make([]V, len(each))
		for i := range each {
			object, err := readObject(each[i])
			if err != nil {
				return nil, errors.New("is no list of objects")
			}
			change, err := m.read(object)
			if err != nil {
				if t, ok := errors.AsType[*told](err); ok {
					return nil, fmt.Errorf("has something wrong at %d: %s", i, t.detail)
				}
				return nil, err
			}
			change.apply(&all[i])
		}
		return all, nil
	})
}

// change is what a body says, ready to be put into a T, as often as need be.
type change[T any] struct {
	puts map[string]func(*T)
}

func (c *change[T]) apply(t *T) {
	for _, name := range slices.Sorted(maps.Keys(c.puts)) {
		c.puts[name](t)
	}
}

// says reports whether the body has a member of a name.
func (c *change[T]) says(name string) bool { return c.puts[name] != nil }

// read takes the members of an object. Errors: told, over errBody.
func (m members[T]) read(object map[string]json.RawMessage) (*change[T], error) {
	var strange []string
	for name := range object {
		if m[name] == nil {
			strange = append(strange, name)
		}
	}
	if len(strange) > 0 {
		slices.Sort(strange)
		return nil, &told{errBody, bounded(strange[0]), "unknown members: " + bounded(strings.Join(strange, ", "))}
	}
	c := &change[T]{puts: map[string]func(*T){}}
	for _, name := range slices.Sorted(maps.Keys(object)) {
		put, err := m[name](object[name])
		if err != nil {
			return nil, &told{errBody, name, name + " " + err.Error()}
		}
		c.puts[name] = put
	}
	return c, nil
}

// bounded is a name that was sent, short enough to be repeated in an error.
func bounded(s string) string {
	const most = 200
	if utf8.RuneCountInString(s) <= most {
		return s
	}
	return string([]rune(s)[:most]) + "…"
}

// readBody reads the JSON object of a body. No body at all is an empty object. Errors:
// errMedia, errTooBig, told over errBody.
func readBody[T any](r *http.Request, m members[T], kinds ...string) (*change[T], error) {
	data, err := io.ReadAll(io.LimitReader(r.Body, serve.MaxBody+1))
	if err != nil {
		return nil, unread(err)
	}
	switch {
	case len(data) > serve.MaxBody:
		return nil, errTooBig
	case len(data) == 0:
		return &change[T]{}, nil
	}
	if err := ofType(r, append(kinds, typeJSON)...); err != nil {
		return nil, err
	}
	object, err := readObject(data)
	if err != nil {
		return nil, err
	}
	return m.read(object)
}

// unread is the error for a body that could not be read to its end.
func unread(err error) error {
	if tooBig := (*http.MaxBytesError)(nil); errors.As(err, &tooBig) {
		return errTooBig
	}
	return &told{errBody, "", "The body broke off."}
}

// ofType checks the Content-Type of a body; UTF-8 is the only charset. Errors: errMedia.
func ofType(r *http.Request, kinds ...string) error {
	kind, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if charset, ok := params["charset"]; err != nil || !slices.Contains(kinds, kind) || ok && !strings.EqualFold(charset, "utf-8") {
		return &told{errMedia, "", "Send " + strings.Join(kinds, " or ") + " in UTF-8."}
	}
	return nil
}

// readObject reads one JSON object of UTF-8 in which no object, at any depth, has
// a member twice: which of them counts, two programs that read it would not
// agree on. Names are taken letter by letter, unlike encoding/json does.
// Errors: told, over errBody.
func readObject(data []byte) (map[string]json.RawMessage, error) {
	bad := func(field, detail string) error { return &told{errBody, field, detail} }
	if !utf8.Valid(data) || !json.Valid(data) {
		return nil, bad("", "The body is no JSON in UTF-8.")
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	if twice, err := repeated(dec, maxDepth); err != nil {
		return nil, bad("", "The body nests too deep.")
	} else if twice != nil {
		return nil, bad(bounded(*twice), "a member stands twice: "+bounded(*twice))
	}
	object := map[string]json.RawMessage{}
	if json.Unmarshal(data, &object) != nil || object == nil {
		return nil, bad("", "The body is no JSON object.")
	}
	return object, nil
}

var errDeep = errors.New("too deep")

// repeated walks one value and returns the first name that an object has twice.
func repeated(dec *json.Decoder, depth int) (*string, error) {
	token, err := dec.Token()
	if err != nil {
		return nil, err
	}
	open, ok := token.(json.Delim)
	if !ok {
		return nil, nil
	}
	if depth == 0 {
		return nil, errDeep
	}
	seen := map[string]bool{}
	for dec.More() {
		if open == '{' {
			token, err := dec.Token()
			if err != nil {
				return nil, err
			}
			name, _ := token.(string) // the names of JSON that is valid are
			if seen[name] {
				return &name, nil
			}
			seen[name] = true
		}
		if twice, err := repeated(dec, depth-1); err != nil || twice != nil {
			return twice, err
		}
	}
	_, err = dec.Token()
	return nil, err
}

// nothing is for the body of an act that needs nothing but its path: no members.
var nothing = members[struct{}]{}

// readNothing refuses a body that has members.
func readNothing(r *http.Request) error {
	_, err := readBody(r, nothing)
	return err
}

// because is the body of an act that has a reason.
type because struct{ reason string }

var becauseMembers = members[because]{"reason": text(func(b *because) *string { return &b.reason })}

// readReason reads the reason of an act; whether one is needed the verb says.
func readReason(r *http.Request) (string, error) {
	c, err := readBody(r, becauseMembers)
	if err != nil {
		return "", err
	}
	var b because
	c.apply(&b)
	return b.reason, nil
}
