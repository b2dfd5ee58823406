package desk

import (
	"testing"

	"hilum/idp"
	"hilum/idp/web/webtest"
)

// Every facet of the people has words.
func TestUserFacetsHaveWords(t *testing.T) {
	for _, f := range idp.UserFacets {
		if key := userFacets[f].Key; key == "" || !webtest.Words().Has(key) {
			t.Errorf("facet %s is called %q", f, key)
		}
	}
}
