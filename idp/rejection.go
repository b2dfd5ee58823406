package idp

import "time"

// RejectionReason says why a request of a client was refused.
type RejectionReason string

// The reasons there are.
const (
	RejectedAddress         RejectionReason = "address"             // redirect_uri of an authorization request
	RejectedSignOutAddress  RejectionReason = "logout"              // post_logout_redirect_uri
	RejectedMethod          RejectionReason = "method"              // it authenticated in another way than the registered one
	RejectedSecret          RejectionReason = "secret"              // the client secret is wrong
	RejectedOldSecret       RejectionReason = "secret_expired"      // the client secret has expired
	RejectedDisabled        RejectionReason = "disabled"            // the client is disabled
	RejectedUnknown         RejectionReason = "client"              // no client has that id
	RejectedCredentials     RejectionReason = "credentials"         // the client's credentials are malformed, or sent in two ways
	RejectedPublic          RejectionReason = "public"              // only clients with a secret may ask this
	RejectedGrantType       RejectionReason = "grant_type"          // not offered, or not to this client
	RejectedToken           RejectionReason = "token"               // a code or refresh token that nobody has issued
	RejectedForeign         RejectionReason = "token_foreign"       // a code or refresh token that was issued to another client
	RejectedUsed            RejectionReason = "token_used"          // a code or refresh token that was used before
	RejectedExpired         RejectionReason = "token_expired"       // a code or refresh token that has expired, or whose grant has ended
	RejectedRedirect        RejectionReason = "redirect_uri"        // of a token request: another than the code's
	RejectedVerifier        RejectionReason = "verifier"            // code_verifier does not fit the code_challenge (RFC 7636, section 4.6)
	RejectedNoVerifier      RejectionReason = "verifier_missing"    // code_verifier is missing, or has no form of one
	RejectedVerifierUnasked RejectionReason = "verifier_unasked"    // code_verifier for a code without a code_challenge
	RejectedScope           RejectionReason = "scope"               // a scope that the client may not have
	RejectedForm            RejectionReason = "form"                // a parameter is missing or malformed
	RejectedPushed          RejectionReason = "par"                 // a pushed authorization request is not good; sent says what of it
	RejectedNotPushed       RejectionReason = "par_missing"         // an authorization request that had to be pushed
	RejectedRequestObject   RejectionReason = "request_object"      // its request object is not good (RFC 9101, section 6); sent says what of it
	RejectedNotSigned       RejectionReason = "request_unsigned"    // an authorization request that had to be signed
	RejectedRequestURI      RejectionReason = "request_uri"         // no pushed authorization request of the client that can be used; sent says why
	RejectedPoll            RejectionReason = "poll"                // it asks for the outcome of a request too often, or has too many that wait; sent says which
	RejectedBackchannel     RejectionReason = "ciba"                // a request to ask somebody's phones is not good; sent says what of it
	RejectedProof           RejectionReason = "dpop"                // its DPoP proof is not good (RFC 9449, section 4.3); sent says what of it
	RejectedNoProof         RejectionReason = "dpop_missing"        // a DPoP proof is needed
	RejectedKey             RejectionReason = "dpop_key"            // its DPoP proof is by another key than a code or refresh token is bound to
	RejectedNonce           RejectionReason = "dpop_nonce"          // its DPoP proof has no good nonce; in the log only, for it is how a client comes by one
	RejectedAssertion       RejectionReason = "assertion"           // client_assertion is not good (RFC 7523, section 3); sent says what of it
	RejectedAssertionUsed   RejectionReason = "assertion_used"      // client_assertion came before
	RejectedNoCertificate   RejectionReason = "certificate_missing" // a TLS certificate is needed (RFC 8705)
	RejectedCertificate     RejectionReason = "certificate"         // its TLS certificate is not good, or not its own; sent says what of it
	RejectedAlg             RejectionReason = "alg"                 // no key signs by the algorithm that the client is registered for
	RejectedKeys            RejectionReason = "jwks"                // the client's keys cannot be had from its jwks_uri
	RejectedExchange        RejectionReason = "exchange"            // a token exchange is not good (RFC 8693); sent says what of it
	RejectedTarget          RejectionReason = "target"              // a target that the client may not exchange tokens for
	RejectedIssuer          RejectionReason = "issuer"              // it asked at an address of the other issuer: the realm's, or ours
	RejectedRegistration    RejectionReason = "registration"        // a change of its registration by itself is not good (RFC 7592); sent says what of it
)

// RejectionReasons are all of them.
var RejectionReasons = []RejectionReason{
	RejectedAddress, RejectedSignOutAddress, RejectedMethod, RejectedSecret, RejectedOldSecret, RejectedDisabled, RejectedUnknown, RejectedCredentials, RejectedPublic,
	RejectedGrantType, RejectedToken, RejectedForeign, RejectedUsed, RejectedExpired, RejectedRedirect, RejectedVerifier, RejectedNoVerifier, RejectedVerifierUnasked,
	RejectedScope, RejectedForm, RejectedPoll, RejectedBackchannel, RejectedProof, RejectedNoProof, RejectedKey, RejectedNonce, RejectedPushed, RejectedNotPushed, RejectedRequestObject, RejectedNotSigned, RejectedRequestURI, RejectedAssertion, RejectedAssertionUsed, RejectedKeys, RejectedAlg, RejectedNoCertificate, RejectedCertificate, RejectedRegistration, RejectedExchange, RejectedTarget, RejectedIssuer,
}

// Rejection is one request of a client that was refused: what whoever set it up
// needs to see. Whoever knows a client's id can make one, so it is data of
// strangers; it never holds a secret.
type Rejection struct {
	At         time.Time
	Reference  string // id of the request, which finds its line in the log
	Reason     RejectionReason
	Sent       string   // what was sent, bounded; empty where that would be a secret
	Registered []string // what would have been right, bounded
	Times      int      // how often it came, one Like the other
}

// Like reports whether two rejections have the same reason and what was sent.
func (r *Rejection) Like(o *Rejection) bool {
	return r.Reason == o.Reason && r.Sent == o.Sent
}
