package main

import (
	"strings"
	"testing"
	"time"

	"hilum/idp"
	"hilum/idp/admin"
)

// A log whose first events were deleted says where it begins, and what it was not compared with.
func TestPrintChainThatBeginsLater(t *testing.T) {
	begin := idp.LogHead{Seq: 100, Hash: [32]byte{1}}
	chain := &admin.Chain{Events: 50, Check: idp.LogCheck{
		Head: idp.LogHead{Seq: 150}, Begin: begin, BeginFault: "event 7 was changed or put in, or is of another log",
		Keyed: 20, Kept: idp.LogHead{Seq: 99}, KeptAt: time.Unix(1_800_000_000, 0),
	}}
	print := func(asJSON bool) string {
		var b strings.Builder
		c := &cli{stdout: &b}
		if err := c.printChain(chain, []idp.LogHead{{Seq: 3}, begin, {Seq: 120}}, asJSON); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	text := print(false)
	for _, line := range []string{
		"whole: 50 events,",
		"it begins with event 101; those before were deleted when their time was up\n",
		"of those, when they were deleted: event 7 was changed",
		"cannot be compared with the head that you noted (event 3)",
		"cannot be compared with audit.head, which is of before: event 99",
	} {
		if !strings.Contains(text, line) {
			t.Errorf("%q is not in\n%s", line, text)
		}
	}
	for _, line := range []string{"event 100)", "event 120)", "chained with the key from", "goes through"} {
		if strings.Contains(text, line) {
			t.Errorf("%q is in\n%s", line, text)
		}
	}
	if line := print(true); !strings.HasPrefix(line, `{"events":50,"first":101,"fault_before":"event 7 was changed`) || !strings.Contains(line, `"not_compared":["3:00`) {
		t.Error(line)
	}
	chain.Check.Begin, chain.Check.BeginFault, chain.Check.Kept.Seq = idp.LogHead{}, "", 120
	if text := print(false); strings.Contains(text, "begins") || strings.Contains(text, "compared") || !strings.Contains(text, "goes through event 120") || !strings.Contains(text, "from event 20 on") {
		t.Error(text)
	}
}
