// Package idp holds the nouns of the identity provider: what there is, what
// may be true of it, and the errors that say otherwise. It knows the standard
// library only. Verbs (login, device, admin) say what may happen in which
// order, doors (oidc, web, deviceapi) speak to the outside, adapters (store)
// make things true once for every instance.
//
// # Glossary
//
// One word per thing, in code, tables, logs and on screen:
//
//   - user: a person with an account; its name is what is typed, its ID what is the sub claim.
//   - device: what a person proves themselves with, a phone with our app (app) or any authenticator app (code).
//   - link, unlink: to make a device one's own, and to end that. On phones «Unpair», the word people have.
//   - pairing: an open offer to link a device, shown as a QR code.
//   - challenge: one question to all linked phones of a person; answer: what one of them says to it.
//   - approve, deny: to answer a challenge. On screens «Login» and «Deny», the words people have.
//   - push: a message by a push service that wakes a phone; it says only that something waits.
//   - code: six digits from a device (TOTP, RFC 6238); where a relying party is meant, authorization code.
//   - recovery code: one of ten printed codes, each good for one sign-in.
//   - login: one sign-in, from the first page to the collected answer.
//   - proof: what a person gives during a login: password, code, recovery code.
//   - session: what a finished login leaves in a browser; sid in tokens.
//   - step-up: a fresh second factor within a session.
//   - client: a relying party, an application that signs people in through us.
//   - grant: what one login gave one client; codes and tokens belong to it and die with it.
//   - rejection: a request of a client that was refused, as who runs the client may see it.
//   - mail: a letter that waits to be sent: a one-time link, or news of what happened to the account.
//   - notice: what tells one application that a session has ended (back-channel logout).
//   - delivery: how a mail or a notice stands that waits: its tries, its lease, when the next one is.
//   - outbox: the rows that wait to be delivered, mails and notices; a lane delivers those to one receiver.
//   - invitation: a one-time link from an administrator, the only way to a first device;
//     also one that somebody asked for who forgot their password.
//   - cut off: to take away what somebody could go on with; its cause decides what.
//   - counter: wrong tries of one kind against one account.
//   - facet: a property by which a list is narrowed.
//   - key: where a page of a list begins; of a pair, the secret half.
//   - event: one line of the audit log.
//   - head: where the audit log ends: the number and hash of its last event; kept outside the database too.
//   - bound: of a row, with a MAC over it and its owner.
//   - browser: the random value in a cookie that binds a login to where it began.
//   - site: how the provider presents itself: name, accent, logos, languages.
//   - setting: one value that an operator chooses, or a limit; saved: in the administration; fixed: by the configuration.
//   - seal: to encrypt at rest, bound to the row it belongs to.
package idp
