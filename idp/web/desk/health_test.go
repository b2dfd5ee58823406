package desk

import (
	"testing"
	"time"

	"hilum/idp"
)

func TestDeskHealth(t *testing.T) {
	d := open(t)
	desk := d.staffed(idp.StaffAuditor)
	desk.health = idp.Health{
		Bytes: 12_345_678, Events: 99, Rows: map[string]int64{"users": 7, "devices": 21}, Waiting: map[string]int{"logins": 1000, "challenges": 3}, Failing: 2,
		Keys: []idp.SigningKey{{ID: "K1", Alg: "RS256", ActiveAt: noon.AddDate(0, 0, -3)}, {ID: "K2", Alg: "RS256", ActiveAt: noon.AddDate(0, 0, 3)}, {ID: "K3", Alg: "ES256", ActiveAt: noon.AddDate(0, 0, -9), RetiredAt: noon, GoneAt: noon.AddDate(0, 0, 1)}},
	}
	desk.days = []idp.Day{
		{At: noon.AddDate(0, 0, -1), Done: map[idp.EventKind]int{idp.EventLoginDone: 8}, Factors: map[string]int{"push": 5, "code": 3}},
		{At: noon, Done: map[idp.EventKind]int{idp.EventLoginDone: 2, idp.EventPasswordWrong: 1}},
	}
	d.push = []idp.PushFigures{{Type: "fcm", Attempts: 10, Delivered: 3, Failed: 1, P50: 12 * time.Millisecond, P95: 40 * time.Millisecond, LastError: "503 <b>", LastAt: noon, Alarm: "mend me"}, {Type: "webpush"}}
	d.Wants(d.Get("/admin/health"), 200, "12.3 MB", "1,000&#43;", "for 3 days", "Next", "published until", "75 %", "503 &lt;b&gt;", "mend me", "Web Push", "Firebase Cloud Messaging", "12ms", "not <dd>0s", "8 a day at most", "<rect", "/admin/devices?f=failing", "not No push service")

	d.push, desk.days = nil, nil
	d.Wants(d.Get("/admin/health"), 200, "No push service is set up", "not <rect")
}

// What is drawn of a day is as high as its count, whole, and within the plot.
func TestPlots(t *testing.T) {
	days := []idp.Day{
		{Done: map[idp.EventKind]int{idp.EventPasswordWrong: 1000, idp.EventCodeWrong: 1, idp.EventPhoneDenied: 1, idp.EventNotMe: 1}},
		{Done: map[idp.EventKind]int{idp.EventPasswordWrong: 500}}, {},
	}
	p := trends(days)[2]
	if p.Most != 1003 || len(p.Days) != 3 || p.Series[2].Sum != 2 {
		t.Errorf("drawn %+v", p)
	}
	for _, b := range p.Bars {
		if b.Y < 0 || b.H < 1 || b.Y+b.H > p.Height || b.X < 0 || b.X+b.W > p.Width {
			t.Errorf("bar %+v is not within %d × %d", b, p.Width, p.Height)
		}
	}
	if half := p.Bars[3]; half.H != plotHigh*500/1003 {
		t.Errorf("half is drawn as %+v", half)
	}
}
