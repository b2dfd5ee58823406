// The app's lock: a fingerprint, a face or the PIN of the phone before codes are shown and
// before Login. It is a WebAuthn credential of the phone itself. Where the phone can make
// a secret by it (the extension prf, Web Authentication Level 3), the accounts linked from
// then on have a second key, which cannot be read without that secret: what it signs was
// approved by whom the phone has verified (docs/device-protocol.md, «Fingerprint or PIN»).

import { Fault } from './protocol.js'
import { accounts, wipe } from './live.js'
import { b64url, makeKey } from './sign.js'
import { back, busy, h, mark, problem } from './dom.js'
import { language, speaker } from './language.js'
import { t as words } from './words.js'

/** @import { Sealed, Second } from './store.js' */

/**
 * What is kept of a lock. on: codes are shown and Login is said after a fingerprint only.
 * off, it is kept for the second keys that were made by it.
 * @typedef {object} Lock
 * @property {boolean} on
 * @property {string} id      of the credential
 * @property {string} salt    that the secret is made of
 * @property {JsonWebKey} [to]  second keys are sealed to this public key
 * @property {string} [from]    its private half (PKCS #8), encrypted by the secret
 */

const kept = 'hilum.lock', opened = 'hilum.opened'
const grace = 30_000 // milliseconds that the app may be left for and stay open
const site = document.title

// t says a sentence of the lock.
export const t = speaker((await import('./lock.' + language + '.js').catch(() => import('./lock.en.js'))).default)

/** @type {Lock | null} */
let lock = null
try { lock = JSON.parse(localStorage.getItem(kept) ?? 'null') } catch { /* as if there were none */ }

/** @param {Lock} now */
function keep(now) {
  lock = now
  localStorage.setItem(kept, JSON.stringify(now))
}

// until is the time, in milliseconds since 1970, up to which the app stays open while
// nobody sees it; 0 while it is seen.
let until = 0
let open = Date.now() < Number(sessionStorage.getItem(opened) ?? 0)
function leaving() {
  if (!open || until) return
  until = Date.now() + grace
  sessionStorage.setItem(opened, String(until))
}
document.addEventListener('visibilitychange', () => { if (document.visibilityState === 'hidden') leaving() })
addEventListener('pagehide', leaving)

export const on = () => lock?.on === true

// shut reports whether codes are not to be shown.
export function shut() {
  if (until && Date.now() >= until) open = false
  if (document.visibilityState === 'visible') until = 0
  return on() && !open
}

/** @param {string} text */
const bytes = (text) => Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), (c) => c.charCodeAt(0))
const random = (n = 32) => crypto.getRandomValues(new Uint8Array(n))

const verified = 4 // the flag UV of authenticator data (Web Authentication Level 2, section 6.1)

// verify has the phone verify its person. It returns the secret that the phone makes by
// the credential, where it can. A fault is «unverified».
/** @param {Lock} by @returns {Promise<ArrayBuffer | undefined>} */
async function verify(by) {
  try {
    const got = /** @type {PublicKeyCredential} */ (await navigator.credentials.get({ publicKey: {
      challenge: random(), userVerification: 'required', allowCredentials: [{ type: 'public-key', id: bytes(by.id), transports: ['internal'] }],
      extensions: { prf: { eval: { first: bytes(by.salt) } } },
    } }))
    const { authenticatorData } = /** @type {AuthenticatorAssertionResponse} */ (got.response)
    if (!(new Uint8Array(authenticatorData)[32] & verified)) throw new Fault('unverified')
    open = true
    return secretOf(got)
  } catch (cause) {
    throw new Fault('unverified', { cause })
  }
}

/** @param {PublicKeyCredential} of */
const secretOf = (of) => /** @type {ArrayBuffer | undefined} */ (of.getClientExtensionResults().prf?.results?.first)

/** @param {ArrayBuffer} secret @param {KeyUsage} use */
async function cipher(secret, use) {
  const from = await crypto.subtle.importKey('raw', secret, 'HKDF', false, ['deriveKey'])
  return crypto.subtle.deriveKey({ name: 'HKDF', hash: 'SHA-256', salt: new Uint8Array(), info: new TextEncoder().encode(kept) }, from, { name: 'AES-GCM', length: 256 }, false, [use])
}

// Each of these keys encrypts one thing, so that the nonce need not differ.
const aes = { name: 'AES-GCM', iv: new Uint8Array(12) }
const curve = { name: 'ECDH', namedCurve: 'P-256' }

/** @param {CryptoKey} mine @param {CryptoKey} theirs */
const shared = (mine, theirs) => crypto.subtle.deriveBits({ name: 'ECDH', public: theirs }, mine, 256)

// begin makes the credential, and the key that second keys are sealed to.
async function begin() {
  try {
    const salt = random()
    const made = /** @type {PublicKeyCredential} */ (await navigator.credentials.create({ publicKey: {
      rp: { name: site }, user: { id: random(), name: t('lock.title'), displayName: t('lock.title') }, challenge: random(),
      pubKeyCredParams: [{ type: 'public-key', alg: -7 }, { type: 'public-key', alg: -257 }],
      authenticatorSelection: { authenticatorAttachment: 'platform', residentKey: 'required', userVerification: 'required' },
      extensions: { prf: { eval: { first: salt } } },
    } }))
    /** @type {Lock} */
    const now = { on: true, id: b64url(made.rawId), salt: b64url(salt) }
    const secret = secretOf(made) ?? (made.getClientExtensionResults().prf?.enabled ? await verify(now) : undefined)
    if (secret) {
      const pair = await crypto.subtle.generateKey(curve, true, ['deriveBits'])
      now.to = await crypto.subtle.exportKey('jwk', pair.publicKey)
      now.from = b64url(await crypto.subtle.wrapKey('pkcs8', pair.privateKey, await cipher(secret, 'wrapKey'), aes))
    }
    open = true
    keep(now)
  } catch (cause) {
    throw new Fault('unverified', { cause })
  }
}

// second makes a second key for an account that is about to be linked. Sealing it needs no
// fingerprint, opening it does. Where the phone makes no secrets, or the app is not locked,
// there is none.
/** @returns {Promise<Second | undefined>} */
export async function second() {
  if (!lock?.on || !lock.to) return undefined
  const { key, x, y } = await makeKey(true)
  const once = await crypto.subtle.generateKey(curve, false, ['deriveBits'])
  const secret = await shared(once.privateKey, await crypto.subtle.importKey('jwk', lock.to, curve, false, []))
  /** @type {Sealed} */
  const sealed = { by: await crypto.subtle.exportKey('jwk', once.publicKey), key: await crypto.subtle.wrapKey('pkcs8', key, await cipher(secret, 'wrapKey'), aes) }
  return { x, y, sealed }
}

// confirm has the phone verify its person before an account approves something. It returns
// the second key of the account, where it has one.
/** @param {{ uv?: Second }} a */
export async function confirm(a) {
  if (!lock) throw new Fault('unverified')
  const secret = await verify(lock)
  if (!a.uv || !lock.from) return undefined
  if (!secret) throw new Fault('unverified')
  const from = await crypto.subtle.unwrapKey('pkcs8', bytes(lock.from), await cipher(secret, 'unwrapKey'), aes, curve, false, ['deriveBits'])
  const { by, key } = a.uv.sealed
  const inner = await shared(from, await crypto.subtle.importKey('jwk', by, curve, false, []))
  return crypto.subtle.unwrapKey('pkcs8', key, await cipher(inner, 'unwrapKey'), aes, { name: 'ECDSA', namedCurve: 'P-256' }, false, ['sign'])
}

// shutView stands in the place of everything but questions and linking.
/** @param {() => void} redraw */
export function shutView(redraw) {
  const foot = h('div', { class: 'foot' })
  const unlock = async () => {
    view.querySelector('#problem')?.remove()
    busy(foot, true)
    try {
      await verify(/** @type {Lock} */ (lock))
      redraw()
    } catch {
      busy(foot, false)
      foot.before(problem(t('lock.refused')))
      if (!view.querySelector('#begin-anew')) foot.before(anew)
    }
  }
  // A credential can be deleted in the settings of the phone: then nothing opens this lock.
  const end = async () => {
    for (const a of [...accounts]) await wipe(a)
    localStorage.removeItem(kept)
    lock = null
    redraw()
  }
  const anew = h('details', { id: 'begin-anew' }, h('summary', {}, t('lock.lost')),
    h('div', { class: 'only' }, h('p', { class: 'hint' }, t('lock.lost.lead')), h('button', { class: 'danger', type: 'button', id: 'forget-all', click: end }, t('lock.lost.go'))))
  foot.append(h('button', { class: 'main', type: 'button', id: 'unlock', click: unlock }, t('lock.open')))
  const view = h('div', { class: 'view first' }, h('div', { class: 'hero' }, mark()), h('h1', { tabindex: -1 }, t('lock.shut')), h('p', { class: 'lead' }, t('lock.shut.lead')), h('div', { class: 'grow' }), foot)
  return view
}

// lockView turns the lock on and off.
/** @param {string} to @param {() => void} redraw */
export function lockView(to, redraw) {
  const foot = h('div', { class: 'foot' })
  /** @param {() => Promise<unknown>} act */
  const go = async (act) => {
    view.querySelector('#problem')?.remove()
    busy(foot, true)
    try {
      await act()
      redraw()
    } catch {
      busy(foot, false)
      foot.before(problem(t('lock.refused')))
    }
  }
  const start = () => go(async () => {
    if (!lock) return begin()
    await verify(lock)
    keep({ ...lock, on: true })
  })
  const stop = () => go(async () => {
    const now = /** @type {Lock} */ (lock)
    await verify(now)
    keep({ ...now, on: false })
  })
  const state = h('p', { class: on() ? 'note good' : 'note', id: 'lock-state' }, t(on() ? 'lock.on' : 'lock.off'))
  const view = h('div', { class: 'view' }, back(words('add.back'), to), h('h1', { tabindex: -1 }, t('lock.title')), h('p', { class: 'lead' }, t('lock.lead')), state,
    on() && h('p', { class: 'hint', id: 'lock-more' }, t(lock?.to ? 'lock.more' : 'lock.less')), h('div', { class: 'grow' }), foot)
  able().then((can) => {
    if (on()) foot.append(h('button', { class: 'plain', type: 'button', id: 'lock-stop', click: stop }, t('lock.stop')))
    else if (can) foot.append(h('button', { class: 'main', type: 'button', id: 'lock-start', click: start }, t('lock.start')))
    else state.textContent = t('lock.none')
  })
  return view
}

// able reports whether this browser lets the phone verify its person. Sites without a name
// have no credentials (Web Authentication Level 2, section 5.1.2: relying party identifiers
// are domains).
const able = async () => /[a-z]/i.test(location.hostname) && Boolean(await globalThis.PublicKeyCredential?.isUserVerifyingPlatformAuthenticatorAvailable?.().catch(() => false))
