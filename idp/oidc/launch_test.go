package oidc

import (
	"encoding/json"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"

	"hilum/idp"
	"hilum/idp/idptest"
)

const studyUID = "1.2.840.113619.2.55.3"

func launches(c *idp.Client) { c.Scopes = append(c.Scopes, idp.ScopeStudy) }

// TestLaunchOfAStudy: a study that a portal has pushed comes back in the token response, in those
// of refreshes and in introspection, and stands in no address, log or event.
func TestLaunchOfAStudy(t *testing.T) {
	s := newSite(t)
	anna := s.addPerson("anna")
	api := s.addClient(func(c *idp.Client) { c.ID = "archive" })
	c := s.addClient(func(c *idp.Client) {
		launches(c)
		c.Audience = []string{"archive"}
	})
	context := []any{map[string]any{"type": "ImagingStudy", "identifier": map[string]any{"system": "urn:dicom:uid", "value": "urn:oid:" + studyUID}}}
	b := s.browser()
	for i, launch := range []string{studyUID, "urn:oid:" + studyUID} {
		q := request(c, "scope", "openid offline_access launch/imagingstudy", "launch", launch)
		address := begun(c, s.mustPush(c, q))
		if strings.Contains(address, studyUID) {
			t.Errorf("the address has the study: %s", address)
		}
		start := b.get(address)
		var code idp.Secret
		if i == 0 {
			id := start.loginOf(t)
			b.prove(id, anna)
			code = idp.Secret(b.get(CollectPath + string(id)).answered(t).Get("code"))
		} else {
			code = idp.Secret(start.answered(t).Get("code")) // by the session
		}
		told := func(r *reply) map[string]any {
			t.Helper()
			var m map[string]any
			if err := json.Unmarshal([]byte(r.body), &m); err != nil || r.StatusCode != http.StatusOK {
				t.Fatalf("%d %s", r.StatusCode, r.body)
			}
			return m
		}
		r := s.call(pathToken, c, url.Values{"grant_type": {idp.GrantCode}, "code": {code.Reveal()}, "redirect_uri": {callback}, "code_verifier": {verifier}})
		first := told(r)
		access, _ := first["access_token"].(string)
		refresh, _ := first["refresh_token"].(string)
		next := told(s.call(pathToken, c, url.Values{"grant_type": {idp.GrantRefresh}, "refresh_token": {refresh}}))
		for what, m := range map[string]map[string]any{"token": first, "refresh": next, "introspection": s.introspect(api, access)} {
			if m["imagingstudy"] != studyUID || !reflect.DeepEqual(m["fhirContext"], context) {
				t.Errorf("%s: %v", what, m)
			}
		}
		refresh, _ = next["refresh_token"].(string)
		if m := told(s.call(pathToken, c, url.Values{"grant_type": {idp.GrantRefresh}, "refresh_token": {refresh}, "scope": {"openid"}})); m["imagingstudy"] != nil || m["fhirContext"] != nil {
			t.Errorf("without the scope: %v", m)
		}
		s.editClient(c, func(c *idp.Client) {
			c.Scopes = slices.DeleteFunc(slices.Clone(c.Scopes), func(scope string) bool { return scope == idp.ScopeStudy })
		})
		if m := s.introspect(api, access); m["active"] != true || m["imagingstudy"] != nil {
			t.Errorf("taken away: %v", m)
		}
		s.editClient(c, launches)
	}
	if strings.Contains(s.log.String(), studyUID) {
		t.Error("the log has the study")
	}
	events := string(idptest.Must(json.Marshal(idptest.Must(s.db.SearchEvents(t.Context(), idp.EventQuery{}))(t).Rows))(t))
	if strings.Contains(events, studyUID) || !strings.Contains(events, string(idp.EventCodeIssued)) {
		t.Errorf("the events have the study, or nothing: %s", events)
	}
}

// TestLaunchesThatAreRefused: what comes through the browser, or from whoever cannot prove who
// they are, opens nothing; and the scope is never had without a study.
func TestLaunchesThatAreRefused(t *testing.T) {
	s := newSite(t)
	anna := s.addPerson("anna")
	c, open := s.addClient(launches), s.addClient(func(c *idp.Client) { public(c); launches(c) })
	const scope = "openid launch/imagingstudy"
	for why, row := range map[string]struct {
		c                   *client
		launch, scope, want string
	}{
		"it cannot prove itself": {open, studyUID, scope, codeInvalidRequest},
		"the scope is missing":   {c, studyUID, "openid", codeInvalidScope},
		"no UID":                 {c, "study-7", scope, codeInvalidRequest},
		"one number":             {c, "7", scope, codeInvalidRequest},
		"a leading zero":         {c, "1.02.3", scope, codeInvalidRequest},
		"an empty part":          {c, "1..3", scope, codeInvalidRequest},
		"too long":               {c, "1." + strings.Repeat("2", 63), scope, codeInvalidRequest},
		"a name of a patient":    {c, "1.2.3^Doe^Jane", scope, codeInvalidRequest},
	} {
		_, r := s.push(row.c, request(row.c, "scope", row.scope, "launch", row.launch))
		if r.StatusCode != 400 || !strings.Contains(r.body, `"`+row.want+`"`) || strings.Contains(r.body, row.launch) {
			t.Errorf("%s: %d %s", why, r.StatusCode, r.body)
		}
	}
	s.mustPush(c, request(c, "scope", scope, "launch", "1."+strings.Repeat("2", 62)))
	b := s.browser()
	for _, one := range []*client{c, open} {
		if got := b.get(pathAuthorize + "?" + request(one, "scope", scope, "launch", studyUID).Encode()).answered(t); got.Get("error") != codeInvalidRequest {
			t.Errorf("by the browser: %v", got)
		}
	}
	if tok := s.mustExchange(c, b.signIn(anna, request(c, "scope", scope))); tok.Scope != "openid" {
		t.Errorf("no study was opened, and the scope is there: %q", tok.Scope)
	}
	// An application that is not registered for it has it ignored, as what is unknown is.
	other := s.addClient(nil)
	if tok := s.mustExchange(other, s.browser().signIn(anna, request(other, "scope", scope, "launch", "anything"))); tok.Scope != "openid" {
		t.Errorf("%q", tok.Scope)
	}
	_, r := s.token(c, "grant_type", idp.GrantClientCredentials, "scope", idp.ScopeStudy)
	refused(t, r, 400, codeInvalidScope)
	if strings.Contains(s.log.String(), studyUID) {
		t.Error("the log has the study")
	}
}
