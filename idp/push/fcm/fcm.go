// Package fcm delivers to Firebase Cloud Messaging (its HTTP v1 API), by which native apps
// are woken. Nothing else imports Google's libraries: they weigh more than all the rest
// together.
package fcm

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"firebase.google.com/go/v4/errorutils"
	"firebase.google.com/go/v4/messaging"
	"github.com/appleboy/go-fcm"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/google"
	"golang.org/x/oauth2/jwt"
	"google.golang.org/api/option"

	"hilum/idp"
	"hilum/idp/file"
	"hilum/idp/push"
)

// Config is what a Channel is built from. CredentialsFile or Endpoint is required, and Words.
type Config struct {
	CredentialsFile string // the key of a service account
	ProjectID       string // empty: the one of the credentials
	Endpoint        string // for trials: a service in place of Google's; without CredentialsFile it wants none
	Words           push.Words
	// Files reads the credentials again when they change. Without it they are read once,
	// and have to be good.
	Files *file.Watcher
	Now   func() time.Time
}

// Channel delivers to native apps; it is a push.Prober. Safe for concurrent use.
type Channel struct {
	conf    Config
	changed chan struct{}

	mu      sync.Mutex
	in      *account // in use; nil: no credentials that can be used have been read yet
	trouble error    // with the file now; nil: none
}

// account is a client of FCM, made of one reading of the credentials.
type account struct {
	client  *fcm.Client
	project string       // empty: not known
	key     *jwt.Config  // nil: without credentials
	tokens  *tokenSource // nil: without credentials
}

// New returns a Channel. Errors: there are no Words; the credentials cannot be used,
// and nothing looks at them again; with Files that is told by Probe and Send.
func New(ctx context.Context, c Config) (*Channel, error) {
	if c.Words == nil {
		return nil, errors.New("FCM: nothing says what a phone shows")
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	ch := &Channel{conf: c, changed: make(chan struct{}, 1)}
	if c.CredentialsFile == "" {
		var err error
		ch.in, err = ch.account(ctx, nil)
		return ch, err
	}
	source := file.Source{
		Files: []file.Named{{Setting: "push.fcm.credentials_file", Path: c.CredentialsFile, Secret: true}},
		Take: func(all []file.Content) error {
			in, err := ch.account(context.WithoutCancel(ctx), all[0].Bytes)
			if err == nil {
				ch.set(in, nil)
			}
			return err
		},
		Failed: func(err error) { ch.set(nil, err) },
	}
	if c.Files == nil {
		if err := new(file.Watcher).Open(source); err != nil {
			return nil, fmt.Errorf("FCM: %w", err)
		}
	} else {
		_ = c.Files.Follow(source) // told by Probe and Send, and looked at again
	}
	<-ch.changed // not by this
	return ch, nil
}

// set keeps the account that was read, or why the file cannot be used.
func (c *Channel) set(in *account, trouble error) {
	c.mu.Lock()
	if in != nil {
		c.in = in
	}
	c.trouble = trouble
	c.mu.Unlock()
	select {
	case c.changed <- struct{}{}:
	default: // somebody will look anyway
	}
}

// Changed receives when the credentials have changed, or cannot be read any more.
func (c *Channel) Changed() <-chan struct{} { return c.changed }

// scope is the one scope that an access token is asked for: to send messages.
const scope = "https://www.googleapis.com/auth/firebase.messaging"

// tokenTimeout bounds one request for an access token; the library gives it no context.
const tokenTimeout = 5 * time.Second

// account makes a client of FCM of the credentials; nil: without any. Errors name the
// file.
func (c *Channel) account(ctx context.Context, credentials []byte) (*account, error) {
	var opts []fcm.Option
	in, project := &account{}, c.conf.ProjectID
	if credentials != nil {
		who, err := file.ServiceAccount(credentials)
		if err != nil {
			return nil, fmt.Errorf("%s %w", c.conf.CredentialsFile, err)
		}
		if in.key, err = google.JWTConfigFromJSON(credentials, scope); err != nil {
			return nil, fmt.Errorf("%s cannot be used as the key of a service account", c.conf.CredentialsFile) // its error may show the key
		}
		project = cmp.Or(project, who.ProjectID)
		in.tokens = &tokenSource{from: oauth2.ReuseTokenSource(nil, in.key.TokenSource(within(ctx)))}
		opts = append(opts, fcm.WithTokenSource(in.tokens))
	} else {
		opts = append(opts, fcm.WithCustomClientOption(option.WithoutAuthentication()))
	}
	if in.project = project; project != "" {
		opts = append(opts, fcm.WithProjectID(project))
	}
	if c.conf.Endpoint != "" {
		opts = append(opts, fcm.WithEndpoint(c.conf.Endpoint+"/v1"))
	}
	var err error
	if in.client, err = fcm.NewClient(ctx, opts...); err != nil {
		return nil, fmt.Errorf("FCM: %w", err)
	}
	return in, nil
}

// within gives the requests for access tokens their timeout.
func within(ctx context.Context) context.Context {
	return context.WithValue(ctx, oauth2.HTTPClient, &http.Client{Timeout: tokenTimeout})
}

// tokenSource remembers why there is no access token: the library above keeps the text of
// the error only.
type tokenSource struct {
	from oauth2.TokenSource
	mu   sync.Mutex
	err  error
}

func (s *tokenSource) Token() (*oauth2.Token, error) {
	token, err := full(s.from.Token())
	s.mu.Lock()
	s.err = err
	s.mu.Unlock()
	return token, err
}

// full makes an error of a token response without an access token, which the library takes
// for a good one.
func full(token *oauth2.Token, err error) (*oauth2.Token, error) {
	if err == nil && token.AccessToken == "" {
		err = errors.New("the answer has none")
	}
	return token, err
}

func (s *tokenSource) last() error {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// current is the account in use, and what is wrong with the file now.
func (c *Channel) current() (*account, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.in, c.trouble
}

// Project is the Firebase project that phones are reached by, which their app has to be of;
// empty while no credentials that can be used have been read.
func (c *Channel) Project() string {
	if in, _ := c.current(); in != nil {
		return in.project
	}
	return ""
}

// nobody is the registration token that a probe is addressed to. No phone has it, and
// nothing is sent to it: the service is asked to validate a message only.
const nobody = "probe"

// Probe asks whether messages would be taken, without sending one: for a fresh access
// token, by the credentials as they are, and for the service's validation of a message to
// nobody. Errors: push.ErrCredentials, *push.RetryError.
func (c *Channel) Probe(ctx context.Context) error {
	in, trouble := c.current()
	switch {
	case trouble != nil:
		return fmt.Errorf("FCM: %w: %w", push.ErrCredentials, trouble)
	case in.key == nil:
		return nil
	}
	if _, err := full(in.key.TokenSource(within(ctx)).Token()); err != nil {
		return noToken(err)
	}
	batch, err := in.client.SendDryRun(ctx, &messaging.Message{Token: nobody})
	if err == nil && len(batch.Responses) == 1 {
		err = batch.Responses[0].Error
	}
	switch {
	case err == nil, messaging.IsUnregistered(err), messaging.IsSenderIDMismatch(err), errorutils.IsInvalidArgument(err):
		return nil // it found fault with the address only
	case in.tokens.last() != nil:
		return noToken(in.tokens.last())
	}
	return outcome(err)
}

// noToken names why Google issued no access token (RFC 6749, section 5.2; RFC 7523).
func noToken(err error) error {
	var said *oauth2.RetrieveError
	if !errors.As(err, &said) || said.Response == nil {
		return &push.RetryError{Err: fmt.Errorf("FCM: no access token: %w", err)}
	}
	var body struct {
		Code        string `json:"error"`
		Description string `json:"error_description"`
	}
	_ = json.Unmarshal(said.Body, &body) // without words, the status says it
	var words strings.Builder
	words.WriteString(strconv.Itoa(said.Response.StatusCode))
	for _, w := range []string{body.Code, body.Description} {
		if w = strings.ToValidUTF8(w, ""); w != "" {
			words.WriteString(" " + w[:min(len(w), 200)])
		}
	}
	switch said.Response.StatusCode {
	case http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound:
		return fmt.Errorf("FCM: %w: no access token for the key in push.fcm.credentials_file, it may have been revoked (%s)", push.ErrCredentials, words.String())
	}
	return &push.RetryError{Err: fmt.Errorf("FCM: no access token (%s)", words.String())}
}

const maxToken = 4096 // bytes

// Acceptable returns nil for a push address whose registration token can be one, else an
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

// message is what FCM is given (its HTTP v1 API). For Android, and what is neither, it
// is data only, of high priority: the app is woken and shows its own words, in the
// language of the phone. iOS shows an alert by itself, in the words of Config; of a
// question that is gone it shows nothing, and the app is woken to take it away.
func (c *Channel) message(ctx context.Context, p *idp.Push) *messaging.Message {
	m := &messaging.Message{Token: p.Address.Token, Data: map[string]string{"t": string(p.Kind)}}
	if p.Challenge != "" {
		m.Data["c"] = string(p.Challenge)
	}
	if p.Tag != "" {
		m.Data["a"] = p.Tag
	}
	if p.Platform != "ios" {
		ttl := max(0, p.ExpiresAt.Sub(c.conf.Now())).Truncate(time.Second)
		m.Android = &messaging.AndroidConfig{Priority: "high", TTL: &ttl}
		return m
	}
	m.APNS = &messaging.APNSConfig{
		Headers: map[string]string{"apns-expiration": strconv.FormatInt(p.ExpiresAt.Unix(), 10)},
		Payload: &messaging.APNSPayload{Aps: &messaging.Aps{ContentAvailable: p.Kind == idp.PushGone}},
	}
	var title, text string
	if p.Kind != idp.PushGone {
		title, text = c.conf.Words(ctx, p)
	}
	if p.Challenge != "" {
		m.APNS.Headers["apns-collapse-id"] = string(p.Challenge)
	}
	if title != "" {
		m.APNS.Headers["apns-priority"] = "10"
		m.APNS.Payload.Aps.Alert = &messaging.ApsAlert{Title: title, Body: text}
		m.APNS.Payload.Aps.Sound = "default"
		// An extension of the app may fetch the question and show it in place of these words
		// (mutable-content); the category says which answers it offers.
		m.APNS.Payload.Aps.MutableContent, m.APNS.Payload.Aps.Category = true, string(p.Kind)
	} else {
		m.APNS.Headers["apns-priority"] = "5"
	}
	return m
}

// Send delivers one message. Errors: push.ErrGone, push.ErrCredentials, *push.RetryError;
// any other is final. The library returns no error although every message failed, so the
// message's own response is read.
func (c *Channel) Send(ctx context.Context, p idp.Push) error {
	in, trouble := c.current()
	if in == nil {
		return fmt.Errorf("FCM: %w: %w", push.ErrCredentials, trouble)
	}
	batch, err := in.client.Send(ctx, c.message(ctx, &p))
	if err == nil && len(batch.Responses) != 1 {
		err = fmt.Errorf("%d answers to one message", len(batch.Responses))
	}
	if err == nil {
		err = batch.Responses[0].Error
	}
	if err != nil && in.tokens.last() != nil {
		return noToken(in.tokens.last())
	}
	return outcome(err)
}

// outcome names an error of FCM. A 404 alone does not mean that the address is gone: FCM
// has to say UNREGISTERED. An address of another project is as good as before for that
// project: it says that our key is not the one that the apps were built for, or is not any
// more, which the operator mends, and then it is of use again. So it is kept.
func outcome(err error) error {
	switch {
	case err == nil:
		return nil
	case messaging.IsUnregistered(err):
		return fmt.Errorf("FCM: %w: %w", push.ErrGone, errors.New("unregistered"))
	case messaging.IsSenderIDMismatch(err):
		return fmt.Errorf("FCM: %w: SENDER_ID_MISMATCH, the app on the phone belongs to another Firebase project than push.fcm.credentials_file", push.ErrCredentials)
	case messaging.IsThirdPartyAuthError(err), errorutils.IsUnauthenticated(err), errorutils.IsPermissionDenied(err):
		return fmt.Errorf("FCM: %w; is push.fcm.credentials_file of this project, and its Cloud Messaging API on? %w", push.ErrCredentials, err)
	case errorutils.IsNotFound(err):
		return fmt.Errorf("FCM: %w; there is no such project, look at push.fcm.project_id: %w", push.ErrCredentials, err)
	case messaging.IsQuotaExceeded(err), errorutils.IsResourceExhausted(err), errorutils.IsUnavailable(err), errorutils.IsInternal(err),
		errorutils.IsDeadlineExceeded(err), errors.Is(err, context.DeadlineExceeded), errorutils.IsUnknown(err):
		return &push.RetryError{Err: fmt.Errorf("FCM: %w", err)}
	}
	return fmt.Errorf("FCM: %w", err)
}
