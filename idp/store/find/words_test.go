package find

import (
	"slices"
	"strings"
	"testing"

	"hilum/idp"
)

func TestWordsOfAnAccount(t *testing.T) {
	got := Words("anna.m@klinik.example", "anna.m", "Anna Meier", "Phone-2 (new)")
	if want := []string{"2", "anna.m@klinik.example", "m@klinik.example", "meier", "new)", "phone-2"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// FuzzWords: whatever is beginning of a word that was found is found again.
func FuzzWords(f *testing.F) {
	for _, s := range []string{"Änna b", "x@y.z", "\xff", "ß", "a-b-c", "\u0345\u0301", "ϓ"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		row := &Row{}
		row.SetWords(Words("", s))
		for _, w := range Words("", s) {
			if len(w) > idp.MaxWord || w == "" || strings.Contains(w, " ") {
				t.Fatalf("%q", w)
			}
			for _, q := range Typed(w) {
				if !strings.Contains(row.Words, " "+q) {
					t.Fatalf("%q is not found in %q", q, row.Words)
				}
				if sig := signature([]string{q}); sig&row.Sig != sig {
					t.Fatalf("the signature of %q passes %q over", q, row.Words)
				}
			}
		}
	})
}
