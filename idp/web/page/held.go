package page

import (
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"hilum/templates"
)

// heldForm is a form that waits for a fresh second factor.
type heldForm struct {
	Path string     `json:"path"` // with the query
	Form url.Values `json:"form"`
}

// hold returns the form that was posted, to be held while a second factor is asked for;
// nil for one that is not kept: a file, and a password, which is kept nowhere but as a
// hash.
func hold(r *http.Request) ([]byte, error) {
	if r.PostForm == nil || strings.HasPrefix(r.Header.Get("Content-Type"), "multipart/") {
		return nil, nil
	}
	for name := range r.PostForm {
		if strings.Contains(name, "password") {
			return nil, nil
		}
	}
	return json.Marshal(heldForm{r.URL.RequestURI(), r.PostForm})
}

// Held sends a form on that was held (login.Answer.Held), now that the second factor was
// given: a page that posts it to where it was posted to, by itself or, without script, by
// its button. What may be done is asked there again.
func (d *Door) Held(w http.ResponseWriter, r *http.Request, held []byte) error {
	var form heldForm
	if err := json.Unmarshal(held, &form); err != nil {
		return err
	}
	if !strings.HasPrefix(form.Path, "/") || strings.HasPrefix(form.Path, "//") {
		return errors.New("a form was held for no path of ours")
	}
	return d.Render(w, http.StatusOK, templates.Held{Frame: d.Frame(r, ""), Action: form.Path, Fields: Fields(form.Form)})
}

// Fields lists fields in the order of their names.
func Fields(values url.Values) []templates.Field {
	var fields []templates.Field
	for _, name := range slices.Sorted(maps.Keys(values)) {
		for _, v := range values[name] {
			fields = append(fields, templates.Field{Name: name, Value: v})
		}
	}
	return fields
}
