package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Programs in Java, whose libraries make parties fetches.

// javaFor returns the folder that a variable of the environment names, and the program java. A
// test without the folder is skipped, one without a JDK fails: whoever has fetched what is in
// the folder wants it run.
func javaFor(t *testing.T, variable, what string) (folder, java string) {
	t.Helper()
	folder = os.Getenv(variable)
	if folder == "" {
		t.Skipf("make parties fetches %s and sets %s", what, variable)
	}
	java, err := exec.LookPath("java")
	if err != nil {
		t.Fatalf("%s needs a JDK, 17 or newer", what)
	}
	return folder, java
}

// trusting returns the options of java by which it trusts the certificates of a file.
func trusting(t *testing.T, ca string) []string {
	t.Helper()
	store := filepath.Join(t.TempDir(), "trust.p12")
	if out, err := exec.Command("keytool", "-importcert", "-noprompt", "-alias", "ca", "-file", ca, "-keystore", store, "-storetype", "PKCS12", "-storepass", "changeit").CombinedOutput(); err != nil {
		t.Fatalf("keytool: %v\n%s", err, out)
	}
	return []string{"-Djavax.net.ssl.trustStore=" + store, "-Djavax.net.ssl.trustStorePassword=changeit"}
}
