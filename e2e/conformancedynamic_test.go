package e2e

import (
	"encoding/json"
	"net/http"
	"os/exec"
	"slices"
	"testing"
	"time"
)

// dynamicPlans are plans in which the suite registers its clients itself, in the order in which
// they are run.
var dynamicPlans = []suitePlan{
	{"dynamic", "oidcc-dynamic-certification-test-plan", map[string]string{"response_type": "code"}, (*examined).registering},
	{"third-party-initiated", "oidcc-3rdparty-init-login-certification-test-plan", map[string]string{"response_type": "code"}, (*examined).registering},
	{"basic-dynamic", "oidcc-basic-certification-test-plan", map[string]string{"server_metadata": "discovery", "client_registration": "dynamic_client"}, (*examined).registering},
}

// initialToken makes a token by which the suite registers its clients. They are on its own host,
// and name a page at openid.net as their terms, and one an address at example.org besides; they
// know no PKCE.
func (c *examined) initialToken(t *testing.T) string {
	t.Helper()
	out := c.idp(t, "client", "token", "add", "Suite", "--json", "--uses", "1000", "--optional-pkce",
		"--host", "suite.test", "--host", "openid.net", "--host", "example.org", "--scope", "openid,profile,email,phone,offline_access")
	var made struct{ Token string }
	well(t, json.Unmarshal([]byte(out), &made))
	return made.Token
}

// registering is a configuration with an initial access token.
func (c *examined) registering() map[string]any {
	config := c.of()
	for _, name := range []string{"client", "client2", "client_secret_post"} {
		config[name] = map[string]any{"client_name": "Suite", "initial_access_token": c.initial}
	}
	return config
}

// turnsKeys has new signing keys made as they are when they are due, and published beside the
// old ones, and returns when the provider publishes them.
func (c *examined) turnsKeys(t *testing.T) {
	t.Helper()
	published := func() int {
		var set struct{ Keys []json.RawMessage }
		res := must[*http.Response](t)(c.client.Get(c.issuer + "/jwks"))
		defer res.Body.Close()
		well(t, json.NewDecoder(res.Body).Decode(&set))
		return len(set.Keys)
	}
	before := published()
	cmd := exec.Command(idpBinary, "key", "turn")
	cmd.Env = append(slices.Clone(c.env), "IDP_KEYS_ROTATE_EVERY=24h", "IDP_KEYS_PUBLISH_BEFORE=23h59m59s") // what is a second old is due
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for end := time.Now().Add(20 * time.Second); published() <= before; time.Sleep(200 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("no new key is published")
		}
	}
}
