package file

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"maps"
	"math/big"
	"strings"
	"testing"
	"time"
)

// made is a certificate with its key, and the same in PEM.
type made struct {
	cert          *x509.Certificate
	key           *ecdsa.PrivateKey
	pem, keyPEM   []byte
	publicPEM     []byte
	der           []byte
	traditional   []byte
	requestPEM    []byte
	encryptedLook []byte
}

func issue(t *testing.T, name string, signer *made, from, until time.Time) *made {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: from, NotAfter: until, IsCA: !strings.Contains(name, "."), BasicConstraintsValid: true}
	parent, by := template, key
	if signer != nil {
		parent, by = signer.cert, signer.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), by)
	if err != nil {
		t.Fatal(err)
	}
	m := &made{key: key, der: der}
	m.cert, _ = x509.ParseCertificate(der)
	pkcs8, _ := x509.MarshalPKCS8PrivateKey(key)
	sec1, _ := x509.MarshalECPrivateKey(key)
	public, _ := x509.MarshalPKIXPublicKey(key.Public())
	request, _ := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: name}}, key)
	encode := func(kind string, b []byte) []byte { return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b}) }
	m.pem, m.keyPEM, m.publicPEM = encode("CERTIFICATE", der), encode("PRIVATE KEY", pkcs8), encode("PUBLIC KEY", public)
	m.traditional, m.requestPEM = encode("EC PRIVATE KEY", sec1), encode("CERTIFICATE REQUEST", request)
	m.encryptedLook = encode("ENCRYPTED PRIVATE KEY", pkcs8)
	return m
}

func join(all ...[]byte) (out []byte) {
	for _, b := range all {
		out = append(out, b...)
	}
	return out
}

func TestPairs(t *testing.T) {
	now := time.Now()
	before, after := now.Add(-24*time.Hour), now.Add(24*time.Hour)
	root := issue(t, "Root", nil, before, after)
	middle := issue(t, "Middle", root, before, after)
	leaf := issue(t, "login.klinik.test", middle, before, after)
	other := issue(t, "other.klinik.test", middle, before, after)
	old := issue(t, "old.klinik.test", middle, before, now.Add(-time.Hour))
	young := issue(t, "young.klinik.test", middle, now.Add(time.Hour), after)
	parameters := pem.EncodeToMemory(&pem.Block{Type: "EC PARAMETERS", Bytes: []byte{6, 8, 42, 134, 72, 206, 61, 3, 1, 7}})
	for why, c := range map[string]struct {
		cert, key []byte
		want      string // of the error; "warn: …"; empty: good
	}{
		"good":                          {leaf.pem, leaf.keyPEM, ""},
		"with its chain":                {join(leaf.pem, middle.pem, root.pem), leaf.keyPEM, ""},
		"an older form of key":          {leaf.pem, join(parameters, leaf.traditional), ""},
		"both in one file":              {join(leaf.keyPEM, leaf.pem, middle.pem), join(leaf.keyPEM, leaf.pem, middle.pem), ""},
		"words around it":               {join([]byte("Bag Attributes\n"), leaf.pem), leaf.keyPEM, ""},
		"swapped":                       {leaf.keyPEM, leaf.pem, "the certificate: .* but a key; are the two files swapped"},
		"a certificate twice":           {leaf.pem, leaf.pem, "the key: .* but a certificate; are the two files swapped"},
		"a key twice":                   {leaf.keyPEM, leaf.keyPEM, "but a key; are the two files swapped"},
		"another's key":                 {leaf.pem, other.keyPEM, "does not belong to the certificate"},
		"the authority first":           {join(middle.pem, leaf.pem), leaf.keyPEM, "certificate 2 of 2 .* the server's own comes first"},
		"the root before the middle":    {join(leaf.pem, root.pem, middle.pem), leaf.keyPEM, "warn: certificate 2 .* did not sign"},
		"a stranger in the chain":       {join(leaf.pem, other.pem), leaf.keyPEM, "warn: .*leave out what does not belong"},
		"expired":                       {old.pem, old.keyPEM, "warn: has expired"},
		"not yet good":                  {young.pem, young.keyPEM, "warn: clock"},
		"a public key":                  {leaf.pem, leaf.publicPEM, "but a public one"},
		"a request":                     {leaf.requestPEM, leaf.keyPEM, "a request for one"},
		"encrypted":                     {leaf.pem, leaf.encryptedLook, "is encrypted"},
		"binary":                        {leaf.der, leaf.keyPEM, "-inform der"},
		"half a certificate":            {leaf.pem[:len(leaf.pem)/2], leaf.keyPEM, "cut off"},
		"half a key":                    {leaf.pem, leaf.keyPEM[:len(leaf.keyPEM)/2], "cut off"},
		"nothing":                       {nil, nil, "no certificate in PEM"},
		"no key":                        {leaf.pem, nil, "no private key in PEM"},
		"something else":                {[]byte("hello"), []byte("hello"), "no certificate in PEM"},
		"a damaged one in the chain":    {join(leaf.pem, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("x")})), leaf.keyPEM, "number 2 of the file is damaged"},
		"a key of SSH":                  {leaf.pem, pem.EncodeToMemory(&pem.Block{Type: "OPENSSH PRIVATE KEY", Bytes: []byte("x")}), "SSH"},
		"a damaged key":                 {leaf.pem, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("x")}), "damaged"},
		"encrypted in the older manner": {leaf.pem, pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Headers: map[string]string{"Proc-Type": "4,ENCRYPTED"}, Bytes: []byte("x")}), "is encrypted"},
	} {
		_, warnings, err := Pair(c.cert, c.key, now)
		got := ""
		if err != nil {
			got = err.Error()
		} else if len(warnings) > 0 {
			got = "warn: " + strings.Join(warnings, "; ")
		}
		if c.want == "" && got != "" || !matches(strings.ReplaceAll(c.want, "warn: ", "warn: .*"), got) {
			t.Errorf("%s: %q, want %q", why, got, c.want)
		}
	}
}

func TestServiceAccounts(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, _ := x509.MarshalPKCS8PrivateKey(key)
	good := map[string]any{
		"type": "service_account", "project_id": "klinik", "private_key_id": "1", "client_email": "push@klinik.iam.gserviceaccount.com", "client_id": "2",
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})),
		"token_uri":   "https://oauth2.googleapis.com/token",
	}
	with := func(k string, v any) string {
		m := maps.Clone(good)
		if m[k] = v; v == nil {
			delete(m, k)
		}
		b, _ := json.Marshal(m)
		return string(b)
	}
	ec := issue(t, "x.test", nil, time.Now(), time.Now())
	for why, c := range map[string]struct{ text, want string }{
		"good":                    {with("", ""), ""},
		"a trial":                 {with("token_uri", "http://127.0.0.1:1/token"), ""},
		"empty":                   {"", "is empty"},
		"blank":                   {" \n", "is empty"},
		"no JSON":                 {"AAAAabc:APA91b", "is no JSON"},
		"half of it":              {with("", "")[:100], "not whole"},
		"a list":                  {"[]", "is no JSON object"},
		"nothing":                 {"null", "has no type"},
		"of an app, Android":      {`{"project_info":{"project_id":"k"},"client":[],"configuration_version":"1"}`, "google-services.json"},
		"of an app, iOS":          {`<?xml version="1.0"?><plist></plist>`, "GoogleService-Info.plist"},
		"of an app, web":          {`{"apiKey":"a","projectId":"k","messagingSenderId":"1"}`, "web app"},
		"an OAuth client":         {`{"installed":{"client_id":"x"}}`, "OAuth client"},
		"an OAuth client, web":    {`{"web":{"client_id":"x"}}`, "OAuth client"},
		"a person":                {`{"type":"authorized_user","client_id":"x","refresh_token":"y"}`, "a person"},
		"workload identity":       {`{"type":"external_account"}`, `"external_account", not service_account`},
		"another type":            {with("type", "impersonated_service_account"), "not service_account"},
		"without a type":          {with("type", nil), "has no type"},
		"a type that is none":     {with("type", 1), "has no type"},
		"without a project":       {with("project_id", nil), "has no project_id"},
		"an empty project":        {with("project_id", " "), "has no project_id"},
		"without a name":          {with("client_email", nil), "has no client_email"},
		"without a key":           {with("private_key", nil), "has no private_key"},
		"a broken key":            {with("private_key", "-----BEGIN PRIVATE KEY-----\nAAAA"), "private_key that cannot be read"},
		"another kind of key":     {with("private_key", string(ec.keyPEM)), "none of RSA"},
		"without an address":      {with("token_uri", nil), "has no token_uri"},
		"an address in the clear": {with("token_uri", "http://oauth2.googleapis.com/token"), "token_uri that is no https"},
		"the bare key":            {good["private_key"].(string), "bare key in PEM"},
	} {
		a, err := ServiceAccount([]byte(c.text))
		switch {
		case c.want == "" && (err != nil || a.ProjectID != "klinik"):
			t.Errorf("%s: %v", why, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: %v, want %s", why, err, c.want)
		}
		if err != nil && strings.Contains(err.Error(), "MII") {
			t.Errorf("%s: shows the key: %v", why, err)
		}
	}
}
