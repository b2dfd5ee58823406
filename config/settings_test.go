package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestSettingsSayWhereTheyComeFrom(t *testing.T) {
	path := filepath.Join(t.TempDir(), "idp.yaml")
	text := "listen: 127.0.0.1:9000\nsessions:\n  idle: 30m\nnetworks:\n  - {name: Ward, range: 10.1.0.0/16}\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Load(path, func(name string) string {
		if name == "IDP_SESSIONS_ABSOLUTE" {
			return "90m"
		}
		return ""
	})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]Setting{}
	for _, s := range c.Settings() {
		got[s.Key] = s
	}
	if len(got) != len(AllKeys()) {
		t.Errorf("%d settings of %d", len(got), len(AllKeys()))
	}
	for _, want := range []Setting{
		{"listen", "127.0.0.1:9000", "127.0.0.1:8080", path + ":1", "IDP_LISTEN"},
		{"sessions.idle", "30m", "1h", path + ":3", "IDP_SESSIONS_IDLE"},
		{"sessions.absolute", "1h30m", "12h", "IDP_SESSIONS_ABSOLUTE", "IDP_SESSIONS_ABSOLUTE"},
		{"tokens.access", "15m", "15m", "", "IDP_TOKENS_ACCESS"},
		{"keys.algs", "RS256, ES256", "RS256, ES256", "", "IDP_KEYS_ALGS"},
		{"networks", "Ward 10.1.0.0/16", "", path + ":4", "IDP_NETWORKS"},
		{"limits.sign_in_burst", "1200", "1200", "", "IDP_LIMITS_SIGN_IN_BURST"},
	} {
		if got[want.Key] != want {
			t.Errorf("got %+v, want %+v", got[want.Key], want)
		}
	}
	// A secret in a setting would be shown: a new key that could hold one has to be looked at.
	for key := range got {
		last := key[strings.LastIndexByte(key, '.')+1:]
		for _, word := range []string{"secret", "password", "token"} {
			if strings.Contains(last, word) && !strings.HasSuffix(last, "_file") {
				t.Errorf("%s looks like a secret", key)
			}
		}
	}
}
