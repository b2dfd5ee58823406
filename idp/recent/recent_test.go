package recent

import (
	"fmt"
	"sync"
	"testing"

	"hilum/idp"
)

// What strangers can fill stays within its bounds, and what is repeated pushes
// nothing out.
func TestRejectionsAreBounded(t *testing.T) {
	var r Rejections
	if r.Of("a") != nil {
		t.Error("out of nothing")
	}
	for i := range 25 {
		r.Add("a", idp.Rejection{Reason: idp.RejectedAddress, Sent: fmt.Sprint(i)})
	}
	for range 1000 {
		r.Add("a", idp.Rejection{Reason: idp.RejectedSecret})
	}
	r.Add("a", idp.Rejection{Reason: idp.RejectedAddress, Sent: "24"})
	got := r.Of("a")
	if len(got) != PerClient || got[0].Sent != "24" || got[0].Times != 2 || got[1].Reason != idp.RejectedSecret || got[1].Times != 1000 || got[9].Sent != "16" {
		t.Errorf("got %+v", got)
	}
	for i := range 3 * Clients {
		r.Add(idp.ClientID(fmt.Sprint(i)), idp.Rejection{Reason: idp.RejectedSecret})
	}
	if len(r.of) != Clients || r.order.Len() != Clients || r.Of("a") != nil || len(r.Of(idp.ClientID(fmt.Sprint(3*Clients-1)))) != 1 {
		t.Errorf("%d clients are kept", len(r.of))
	}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for k := range 200 {
				r.Add(idp.ClientID(fmt.Sprint(k)), idp.Rejection{Reason: idp.RejectedSecret, Sent: fmt.Sprint(i)})
				r.Of(idp.ClientID(fmt.Sprint(k)))
			}
		})
	}
	wg.Wait()
}
