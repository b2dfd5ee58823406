// Package fcm speaks to Firebase Cloud Messaging, by which native apps are
// woken. Nothing else imports Google's libraries: they weigh more than all the
// rest together.
package fcm

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"firebase.google.com/go/v4/errorutils"
	"firebase.google.com/go/v4/messaging"
	"github.com/appleboy/go-fcm"
	"google.golang.org/api/option"

	"hilum/idp"
	"hilum/idp/push"
)

// Config is what a Channel is built from.
type Config struct {
	CredentialsFile string // of a service account
	ProjectID       string // empty: the one of the credentials
	Endpoint        string // for trials: a service in place of Google's, which wants no credentials
	Now             func() time.Time
}

// Channel delivers to native apps. Safe for concurrent use.
type Channel struct {
	Config
	client *fcm.Client
}

// New returns a Channel. Errors: the credentials cannot be used.
func New(ctx context.Context, c Config) (*Channel, error) {
	if c.Now == nil {
		c.Now = time.Now
	}
	var opts []fcm.Option
	if c.ProjectID != "" {
		opts = append(opts, fcm.WithProjectID(c.ProjectID))
	}
	if c.Endpoint != "" {
		opts = append(opts, fcm.WithEndpoint(c.Endpoint+"/v1"), fcm.WithCustomClientOption(option.WithoutAuthentication()))
	} else {
		opts = append(opts, fcm.WithCredentialsFile(c.CredentialsFile))
	}
	client, err := fcm.NewClient(ctx, opts...)
	if err != nil {
		return nil, fmt.Errorf("FCM: %w", err)
	}
	return &Channel{c, client}, nil
}

const maxToken = 4096 // bytes

// Acceptable returns nil for a registration token that can be one, else an
// idp.ErrInvalid.
func Acceptable(a idp.PushAddress) error {
	ok := a.Type == idp.PushFCM && a.Token != "" && len(a.Token) <= maxToken && a.Endpoint == "" && a.P256dh == "" && a.Auth == ""
	for i := range len(a.Token) {
		ok = ok && a.Token[i] > ' ' && a.Token[i] < 0x7f
	}
	if !ok {
		return fmt.Errorf("not an FCM registration token: %w", idp.ErrInvalid)
	}
	return nil
}

// words are what iOS shows of a push by itself.
var words = map[idp.PushKind][2]string{
	idp.PushLogin: {"Sign-in request", "Open to answer."},
	idp.PushTest:  {"Test", "Notifications work on this device."},

	idp.PushChanged: {"Your devices have changed", "One was linked or unlinked. Open to see."},
}

// message is data only, high priority, for Android: the app decides what is
// shown. iOS shows an alert by itself.
func (c *Channel) message(p *idp.Push) *messaging.Message {
	m := &messaging.Message{Token: p.Address.Token, Data: map[string]string{"t": string(p.Kind)}}
	if p.Challenge != "" {
		m.Data["c"] = string(p.Challenge)
	}
	if p.Platform != "ios" {
		ttl := max(0, p.ExpiresAt.Sub(c.Now())).Truncate(time.Second)
		m.Android = &messaging.AndroidConfig{Priority: "high", TTL: &ttl}
		return m
	}
	m.APNS = &messaging.APNSConfig{
		Headers: map[string]string{"apns-expiration": strconv.FormatInt(p.ExpiresAt.Unix(), 10)},
		Payload: &messaging.APNSPayload{Aps: &messaging.Aps{ContentAvailable: p.Kind == idp.PushGone}},
	}
	if p.Challenge != "" {
		m.APNS.Headers["apns-collapse-id"] = string(p.Challenge)
	}
	if w, ok := words[p.Kind]; ok {
		m.APNS.Headers["apns-priority"] = "10"
		m.APNS.Payload.Aps.Alert = &messaging.ApsAlert{Title: w[0], Body: w[1]}
		m.APNS.Payload.Aps.Sound = "default"
	} else {
		m.APNS.Headers["apns-priority"] = "5"
	}
	return m
}

// Send delivers one message. The library returns no error although every
// message failed, so the message's own answer is read.
func (c *Channel) Send(ctx context.Context, p idp.Push) error {
	batch, err := c.client.Send(ctx, c.message(&p))
	if err == nil && len(batch.Responses) != 1 {
		err = fmt.Errorf("%d answers to one message", len(batch.Responses))
	}
	if err == nil {
		err = batch.Responses[0].Error
	}
	return outcome(err)
}

// outcome names an error. That FCM does not find something is not that the
// address is gone: it has to say so.
func outcome(err error) error {
	switch {
	case err == nil:
		return nil
	case messaging.IsUnregistered(err), messaging.IsSenderIDMismatch(err):
		return fmt.Errorf("FCM: %w: %w", push.ErrGone, errors.New("unregistered"))
	case messaging.IsThirdPartyAuthError(err), errorutils.IsUnauthenticated(err), errorutils.IsPermissionDenied(err):
		return fmt.Errorf("FCM: %w: %w", push.ErrCredentials, err)
	case messaging.IsQuotaExceeded(err), errorutils.IsResourceExhausted(err), errorutils.IsUnavailable(err), errorutils.IsInternal(err),
		errorutils.IsDeadlineExceeded(err), errors.Is(err, context.DeadlineExceeded), errorutils.IsUnknown(err):
		return &push.RetryError{Err: fmt.Errorf("FCM: %w", err)}
	}
	return fmt.Errorf("FCM: %w", err)
}
