package adminapi

import (
	"bytes"
	"encoding/json"
	"maps"
	"strings"
	"testing"
)

// Whatever is read as an object is one to encoding/json too, with the same
// members, and encodes to what reads the same again.
func FuzzReadObject(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"name":"A","groups":["ct",null],"claims":[{"name":"a","values":[{"from":"x","to":"y"}]}]}`, `{"a":1,"a":2}`, `{"a":1,"\u0061":2}`,
		`{"a":{"b":1,"b":2}}`, `[]`, `null`, `{"a":`, `{} {}`, "{\"\xff\":1}", `{"a":1e400}`, `{"a":[[[[[[[[[[1]]]]]]]]]]}`, "\ufeff{}", `{"\ud800":1}`, ` {"a" : -0 } `,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		object, err := readObject(data)
		if err != nil {
			if p := problemOf(err); p.Status != 400 || p.Detail == "" {
				t.Errorf("%q: %+v", data, p)
			}
			return
		}
		var plain map[string]json.RawMessage
		if err := json.Unmarshal(data, &plain); err != nil {
			t.Fatalf("%q: %v", data, err)
		}
		again, err := json.Marshal(object)
		if err != nil {
			t.Fatal(err)
		}
		second, err := readObject(again)
		if err != nil {
			t.Fatalf("%q became %q: %v", data, again, err)
		}
		same := func(a, b json.RawMessage) bool {
			var x, y bytes.Buffer
			return json.Compact(&x, a) == nil && json.Compact(&y, b) == nil
		}
		if !maps.EqualFunc(object, plain, func(a, b json.RawMessage) bool { return bytes.Equal(a, b) }) || !maps.EqualFunc(object, second, same) {
			t.Errorf("%q: %v, %v, %v", data, object, plain, second)
		}
		// Whatever an application is told to be, reading it ends well or in 400.
		if _, err := newClientMembers.read(object); err != nil && problemOf(err).Status != 400 {
			t.Errorf("%q: %v", data, err)
		}
	})
}

// The description names every type of problem there is.
func TestProblemsAreDescribed(t *testing.T) {
	var doc struct {
		Tags []struct{ Name, Description string }
	}
	if err := json.Unmarshal(document, &doc); err != nil {
		t.Fatal(err)
	}
	named := map[string]bool{}
	for _, tag := range doc.Tags {
		if tag.Name == "Problems" {
			_, names, _ := strings.Cut(strings.TrimSuffix(tag.Description, "."), " — ")
			for name := range strings.SplitSeq(names, ", ") {
				named[name] = true
			}
		}
	}
	want := map[string]bool{"fault": true}
	for _, line := range table {
		want[line.kind] = true
	}
	if !maps.Equal(named, want) {
		t.Errorf("described are %v, there are %v", named, want)
	}
}
