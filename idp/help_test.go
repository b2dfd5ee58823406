package idp

import (
	"errors"
	"strings"
	"testing"
)

func TestValidHelp(t *testing.T) {
	const call = "Helpdesk, extension 4711"
	for _, c := range []struct{ help, link, field, message string }{
		{"", "", "", ""},
		{call, "", "", ""},
		{call, "https://intranet.hospital.test/help?x=1#it", "", ""},
		{call, "tel:+32-9-332.47.11", "", ""},
		{call, "tel:(09)3324711", "", ""},
		{call, "tel:4711", "", ""},
		{call, "mailto:helpdesk@hospital.test", "", ""},
		{strings.Repeat("ü", MaxHelp), "", "", ""},
		{strings.Repeat("ü", MaxHelp+1), "", "text", "text.long"},
		{"two\nlines", "", "text", "text.invalid"},
		{"", "tel:4711", "text", "site.help.text"},
		{call, "http://intranet.hospital.test/", "link", "site.help.link"},
		{call, "javascript:alert(1)", "link", "site.help.link"},
		{call, "JavaScript:alert(1)", "link", "site.help.link"},
		{call, "data:text/html,x", "link", "site.help.link"},
		{call, "https:///path", "link", "site.help.link"},
		{call, "https://:443/", "link", "site.help.link"},
		{call, "https://user:secret@hospital.test/", "link", "site.help.link"},
		{call, "https://hospital.test/a b", "link", "site.help.link"},
		{call, "https://hospital.test/%zz", "link", "site.help.link"},
		{call, "//hospital.test/", "link", "site.help.link"},
		{call, "intranet/help", "link", "site.help.link"},
		{call, "+3293324711", "link", "site.help.link"},
		{call, "tel:", "link", "site.help.tel"},
		{call, "tel:call-us", "link", "site.help.tel"},
		{call, "tel:+32/9", "link", "site.help.tel"},
		{call, "tel:4711?x=1", "link", "site.help.tel"},
		{call, "mailto:", "link", "site.help.mail"},
		{call, "mailto:helpdesk", "link", "site.help.mail"},
		{call, "mailto:a@hospital.test?bcc=eve@evil.test", "link", "site.help.mail"},
		{call, "mailto:a@hospital.test,b@hospital.test", "link", "site.help.mail"},
		{call, "https://hospital.test/" + strings.Repeat("a", MaxHelpLink), "link", "text.long"},
	} {
		err := ValidHelp("text", c.help, "link", c.link)
		got, _ := errors.AsType[*FieldError](err)
		if got == nil {
			got = &FieldError{}
		}
		if got.Field != c.field || got.Message != c.message {
			t.Errorf("%q, %q: %v, want %s %s", c.help, c.link, err, c.field, c.message)
		}
	}
}
