package main

import (
	"errors"
	"strings"

	"hilum/idp"
	"hilum/idp/admin"
	"hilum/templates/words"
)

// helps are sentences that a command adds to a fault, by the fault's message key: how
// whoever typed it gets on.
var helps = map[string]words.Message{
	"client.logout.missing":   words.Say("command.flag", "Flag", "--backchannel-logout-uri"),
	"client.redirect.missing": words.Say("command.flag", "Flag", "--redirect-uri"),
	"import.column":           words.Say("command.help"),
	"list.facet.bad":          words.Say("command.help"),
	"list.sort.bad":           words.Say("command.help"),
	"mail.address":            words.Say("command.sets", "Command", `"idp user edit NAME --email ADDRESS"`),
	"mail.off":                words.Say("command.setting", "Setting", "mail.host"),
}

// fieldError puts a FieldError into words; any other error is left as it is.
func fieldError(err error) error {
	field := (*idp.FieldError)(nil)
	if !errors.As(err, &field) {
		return err
	}
	var of []any // arguments of the sentence
	if columns := (*admin.ColumnsError)(nil); errors.As(err, &columns) {
		of = []any{"Names", columns.List()}
	}
	said := words.English().Fault(field.Field, field.Message, of...)
	if help, err := words.English().Say(helps[field.Message]); err == nil && help != "" {
		said = strings.TrimSuffix(said, ".") + ". " + help
	}
	return errors.New(said)
}
