package admin

import (
	"context"
	"encoding/json"
	"slices"

	"hilum/idp"
	"hilum/idp/claim"
)

// Preview is what an application would be told of a person.
type Preview struct {
	Admitted bool            // the person is in one of the groups that may sign in there
	Scopes   []string        // all that it may ask for
	IDToken  json.RawMessage // claims, without those of one sign-in (times, nonce, at_hash, sid)
	Userinfo json.RawMessage
}

// PreviewClaims says what an application would be told of a person with all
// scopes that it may ask for, by the same table that tokens are made from.
// Errors: idp.ErrDenied, idp.ErrNotFound.
func (d *Desk) PreviewClaims(ctx context.Context, by By, user idp.UserID, client idp.ClientID) (*Preview, error) {
	if err := d.allow(ctx, by, ReadUsers); err != nil {
		return nil, err
	}
	c, err := d.Client(ctx, by, client)
	if err != nil {
		return nil, err
	}
	u, err := d.conf.Store.User(ctx, user)
	if err != nil {
		return nil, err
	}
	return d.preview(c, u), nil
}

// PreviewDraft is PreviewClaims for an application as it would be, before it is
// saved. It changes nothing. Errors: FieldError, idp.ErrDenied, ErrNotFound.
func (d *Desk) PreviewDraft(ctx context.Context, by By, user idp.UserID, c *idp.Client) (*Preview, error) {
	for _, act := range []Act{ReadUsers, ReadClients} {
		if err := d.allow(ctx, by, act); err != nil {
			return nil, err
		}
	}
	if err := validRules(c.Claims); err != nil {
		return nil, err
	}
	u, err := d.conf.Store.User(ctx, user)
	if err != nil {
		return nil, err
	}
	return d.preview(c, u), nil
}

// CheckRules checks an application's claim rules. Errors: FieldError, whose field is
// «claims.» and the index of the rule, the first is 0, or «claims» for too many.
func (d *Desk) CheckRules(rules []idp.ClaimRule) error { return validRules(rules) }

func (d *Desk) preview(c *idp.Client, u *idp.User) *Preview {
	p := &Preview{Admitted: c.Admits(u), Scopes: c.Scopes}
	about := claim.AppendString([]byte(`{"sub":`), d.conf.Subjects.Of(c, u.ID))
	p.Userinfo = append(claim.Append(slices.Clip(about), u, c.Claims, claim.ByScope(c.Scopes)), '}')
	id := append(slices.Clip(about), `,"aud":`...)
	id = claim.AppendString(id, string(c.ID))
	if c.ClaimsInID {
		id = claim.Append(id, u, c.Claims, claim.ByScope(c.Scopes))
	}
	p.IDToken = append(id, '}')
	return p
}
