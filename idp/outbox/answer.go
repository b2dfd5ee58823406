package outbox

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"strconv"
	"time"

	"hilum/idp"
)

// Answered says what the answer of an application means that was told something by an HTTP
// request. 2xx: it has taken it (OpenID Connect Back-Channel Logout 1.0, section 2.8; CIBA
// Core 1.0, section 10.2). What says that another try would come to the same, 400, 401 or a
// redirect for one, is final. The error is for the log.
func Answered(res *http.Response, now time.Time) (idp.Attempt, error) {
	if res.StatusCode >= 200 && res.StatusCode < 300 {
		return idp.Attempt{}, nil
	}
	a := idp.Attempt{Said: idp.RefusedWith(res.StatusCode)}
	switch code := res.StatusCode; {
	case code == http.StatusTooManyRequests, code == http.StatusRequestTimeout, code == http.StatusTooEarly, code >= 500:
		a.After = retryAfter(res.Header.Get("Retry-After"), now)
	default:
		a.Final = true
	}
	return a, errors.New("it answered " + strconv.Itoa(res.StatusCode))
}

// retryAfter reads the header, seconds or a date (RFC 9110, section 10.2.3).
func retryAfter(s string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseUint(s, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(s); err == nil {
		return max(0, at.Sub(now))
	}
	return 0
}

// Unanswered says why a call has no answer. forbidden reports whether the address may not be
// called; nil: every address may.
func Unanswered(err error, forbidden func(error) bool) idp.Refusal {
	var verification *tls.CertificateVerificationError
	var authority x509.UnknownAuthorityError
	var timeout net.Error
	switch {
	case forbidden != nil && forbidden(err):
		return idp.RefusedForbidden
	case errors.As(err, &verification), errors.As(err, &authority):
		return idp.RefusedCertificate
	case errors.As(err, &timeout) && timeout.Timeout():
		return idp.RefusedTimeout
	}
	return idp.RefusedUnreachable
}
