package desk

import (
	"testing"

	"hilum/idp"
)

// The page of an application tells which of its requests were refused and why; what
// strangers have sent is data.
func TestRefusedRequestsOfAnApplication(t *testing.T) {
	d := open(t)
	d.staffed(idp.StaffAdmin)
	const at = "/admin/applications/rad.viewer"
	d.Wants(d.Get(at), 200, `id="none-refused"`, `not id="refused"`)
	d.rejected = func(id idp.ClientID) []idp.Rejection {
		if id != "rad.viewer" {
			t.Errorf("asked for %s", id)
		}
		return []idp.Rejection{
			{At: noon, Reference: "REF9", Reason: idp.RejectedAddress, Sent: `https://evil.example/"><script>`, Registered: []string{"https://viewer.hospital.example/cb"}, Times: 12},
			{At: noon, Reference: "REF8", Reason: idp.RejectedMethod, Sent: "client_secret_basic", Registered: []string{"client_secret_post"}, Times: 1},
		}
	}
	d.Wants(d.Get(at), 200, `id="refused"`, "is not registered; it is compared letter by letter", `https://evil.example/&#34;&gt;&lt;script&gt;`, "not <script>", "12 ×", "REF9",
		"in another way than the registered one", "client_secret_basic", "client_secret_post", "REF8")
}

// Every reason has words of its own.
func TestEveryRejectionHasWords(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range idp.RejectionReasons {
		key := rejectedWords[r].Key
		if key == "" || seen[key] {
			t.Errorf("%s: %q", r, key)
		}
		seen[key] = true
	}
	if len(rejectedWords) != len(idp.RejectionReasons) {
		t.Errorf("%d words for %d reasons", len(rejectedWords), len(idp.RejectionReasons))
	}
}
