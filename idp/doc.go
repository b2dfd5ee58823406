// Package idp holds the nouns of the identity provider: what there is, what
// may be true of it, and the errors that say otherwise. It knows the standard
// library only. Verbs (login, device, admin) say what may happen in which
// order, doors (oidc, web, deviceapi, adminapi) speak to the outside, adapters
// (store, push, mail, …) keep and send, and meet both through small interfaces.
//
// # Glossary
//
// One word per thing, in code, tables, logs and on screen, in the order in which a
// reader meets them. docs/words.md has the words of the screen in every language.
//
// People and their devices:
//
//   - user: a person with an account; its name is what is typed, its ID what is the sub claim.
//   - device: what a person proves themselves with, a phone with our app (app) or any authenticator app (code).
//   - link, unlink: to make a device one's own, and to end that. On phones «Unpair», the word people have.
//   - pairing: an open offer to link a device, shown as a QR code; offer: the same, as its page and its secret are spoken of.
//   - claim: of a pairing, the phone that has scanned it and is not linked yet; of a token, a statement about a person (OpenID Connect).
//   - rival: a second phone that uses the QR code of a pairing which another has claimed; in tests, a request that races for the same row.
//   - speaker: whose signed request it is: a linked phone, the claim of a pairing, or a phone that was unlinked.
//   - drift: by how many time steps of 30 seconds a device's clock differs from ours, as its last code showed: -1, 0 or 1.
//   - recovery code: one of ten printed codes, each good for one sign-in.
//   - invitation: a one-time link: from an administrator or, for the first of them, from whoever runs the provider, and
//     the only way to a first device; also a link to a new password, from an administrator or asked for by its person.
//   - enrolment: what an invitation leads to: a password and, unless it is a reset, the first device.
//   - reopen: to unlink all devices of a person, cut off all they could go on with, and invite them to a first device again.
//
// Signing in:
//
//   - login: one sign-in, from the first page to the response that its browser collects.
//   - proof: what a person gives during a login and is checked against a counter: password, code, recovery code.
//     In package oidc, what a client signs to show that it has a key (DPoP).
//   - code: six digits from a device (TOTP, RFC 6238); where a relying party is meant, authorization code.
//   - second factor: a code, a recovery code, or an approval on a phone.
//   - browser: the random value in a cookie that binds a login to where it began.
//   - known: of a browser, that a person has finished a sign-in in it within 30 days, by a cookie of its own.
//   - counter: wrong tries of one kind against one account, or against a name that nobody has.
//   - ahead: of a try, counted as a wrong one before it is looked at; forgive: to take that count back.
//   - apart: of tries, counted for themselves because no stranger can make them: in a known browser, in a session.
//   - first: of a second factor, given before the password is looked at, because strangers guess passwords of the account.
//   - collect: to take the outcome of a finished login, once, in its own browser; only that makes session and grant.
//   - session: what a finished login leaves in a browser; sid in tokens.
//   - fresh, stale: of a session, that its last second factor is recent enough (5 minutes) for an act that needs one, or not.
//   - step-up: a fresh second factor within a session.
//   - within: of an act, the session that it is done in, which is checked again in the transaction of the act.
//
// Asking phones:
//
//   - challenge: one question to all linked phones of a person; answer: what one of them says to it.
//   - approve, deny: to answer a challenge. On screens «Login» and «Deny», the words people have.
//   - match: how the person with the phone shows that they look at the browser that asks: a tap, a number picked, a number typed.
//   - asking: what changes together when phones are asked or answer: challenge, login or pairing, guard, devices.
//   - prompt: one time that a person's phones are asked; how often they may be is a policy of package limit.
//     In an authorization request, its parameter of that name.
//   - guard: what is remembered of the prompts to a person, by which the next are bounded; of addresses and browsers, a limit.
//   - wary: of prompts, that a tap alone does not approve for now, because one was denied.
//   - push: a message by a push service that wakes a phone; it says only that something waits, waits no more, or has changed.
//   - wake, topic: to tell whoever waits on a topic (a login, a person, a pairing) to look; never what there is to see.
//   - pulse: one word that says how a login or a pairing stands; its page asks for it and changes when the word does.
//   - fate: why phones are not asked a challenge any more.
//   - tombstone: what is kept of an unlinked phone for 30 days, so that its next request is told.
//   - replay: the note of a signed request that is carried out, by which the same request is refused when it comes again.
//
// Applications:
//
//   - client: a relying party, an application that signs people in through us, or a program that acts for itself.
//     On screen «application».
//   - preset: a known kind of application, from which a registration is filled in.
//   - pairwise: of a sub, an application's own for a person; sector: the applications that have the same one.
//   - deviation: what of a registration is less safe than what is proposed.
//   - admit: to let the people of some groups only sign in to an application.
//   - consent: what a person allowed an application to be told of them.
//   - grant: what one login gave one client, or a client got for itself; codes and tokens belong to it and die with it.
//   - initial access token: what an application can be registered by, within its bounds (in code RegistrationToken);
//     registration access token: what one changes its own registration by.
//   - narrow: to leave, of the scopes that a grant gave once, those that its client may have now.
//   - resource: an API, by the absolute URI that tokens for it are asked for; an API stands for its own.
//   - purpose: what a client wants access for, a scope with a code; emergency: one of those by which people see what they
//     otherwise may not.
//   - assertion: what a client signs to prove itself (private_key_jwt), good once.
//   - pushed: of an authorization request, handed in by its client beforehand, and known by a handle (PAR).
//
// - request object: an authorization request as its client has signed it (JAR).
// - signed: of a message between a client and us, besides its ID tokens and assertions: a request object, an authorization
// response (JARM), userinfo, introspection.
// - polled: of an authorization request, that its client asks for the outcome again and again, because the person
// answers elsewhere: on the page where the code of a machine without a browser is typed (device authorization),
// or on a phone that is asked without a browser, by the back channel (CIBA).
//   - ping: what tells such a client that there is an outcome, for which it then asks (CIBA).
//   - bound: of a code or token, of use with one key only (DPoP); of a row, that it has a MAC.
//   - profile: a set of rules that an application is held to by one switch: FAPI 2.0.
//   - rejection: a request of a client that was refused, as who runs the client may see it.
//   - test sign-in (in code tryout): a sign-in by an administrator to see what an application would receive;
//     it goes to a double, a client made for it with the same rules.
//   - notice: what tells one application that a session has ended (back-channel logout).
//   - delivery: how a mail or a notice stands that waits: its tries, its lease, when the next one is.
//   - outbox: the rows that wait to be delivered, mails and notices; a lane delivers those to one receiver.
//   - refusal: why a notice was not taken; unsent is the same of a mail.
//
// Taking away, and telling:
//
//   - cut off: to take away what somebody could go on with; its cause decides what.
//   - mail: a row for something that has to be written to a person: a one-time link, or news of what happened to the account.
//   - letter: a mail as it is read, in the language of its person; it is made when the mail is sent.
//   - occasion: what a letter is written from.
//
// Administering:
//
//   - staff: of a person or a program, the role in the administration: admin, helpdesk, auditor.
//   - desk: where the administration acts, for its pages, the commands and the admin API alike.
//   - instance: one running provider; several may share a PostgreSQL database.
//   - job: work of an administrator that takes longer than a request; its owner is the instance that does it.
//   - act: one kind of thing that may be done there, or not, by a role.
//   - facet: a property by which a list is narrowed.
//   - key: where a page of a list begins; anywhere else a cryptographic key.
//   - site: how the provider presents itself: name, accent, logos, languages.
//   - setting: one value that an operator chooses, or a number that is built in; saved: in the administration; fixed: by the
//     configuration, so that the administration cannot save another.
//   - built in: of a number, that nobody can set it. Its key begins with «fixed.», and commands write «fixed» for where it is from.
//   - fault: what is wrong with a setting, a file or a field, with words for whoever can mend it; a fault of ours is a 500.
//   - catalogue: the sentences that people read, in one language (package words).
//
// Keeping:
//
//   - event: one line of the audit log. Its journal is the events that one change collects.
//   - head: where the audit log ends: the number and hash of its last event; kept outside the database too, in the witness.
//   - seal: to encrypt at rest, bound to the row it belongs to.
//   - bound: of a row, with a MAC over it and its owner.
//   - sweep: to delete rows that nobody can use any more.
package idp
