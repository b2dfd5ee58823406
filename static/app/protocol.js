// One site's side of the device protocol: links, requests, what they answer.
// Written for docs/device-protocol.md; it knows nothing else of a site.

import { b64url, codeKey, digest, envelope, seconds } from './sign.js'
import { change } from './store.js'

/** @import { Address, Claims, Operation, Signer } from './sign.js' */
/** @import { Linked, Second } from './store.js' */

/**
 * A question, as its site wrote it (docs/device-protocol.md, «Challenges»).
 * @typedef {object} Doc
 * @property {1} v
 * @property {string} cid
 * @property {'login' | 'pair' | 'stepup'} purpose
 * @property {string} iss      the site's URL
 * @property {string} account  the user name
 * @property {string} app      the name of the application
 * @property {string} ip
 * @property {string} [net]
 * @property {string} [place]
 * @property {string} browser
 * @property {string} os
 * @property {boolean} [new_browser]
 * @property {boolean} [new_password]
 * @property {number} at       seconds since 1970
 * @property {number} exp      the same
 * @property {Match} match     what an approval needs
 * @property {string[]} [must] names of what has to be understood to approve, of which this app knows uv
 * @property {{ text: string }} [act]  what a step-up confirms, in the language of the account
 *
 * @typedef {{ mode: 'tap' } | { mode: 'type', len: number } | { mode: 'pick', choices: string[] }} Match
 *
 * A question as it comes: doc is the text that an answer is about, byte for byte.
 * @typedef {{ cid: string, doc: string }} Challenge
 *
 * @typedef {{ issuer: string, site: string, vapid_key?: string, server_time: number }} Site
 * What waits; state is of this phone, and sites of before do not say.
 * @typedef {{ challenges: Challenge[], state?: 'pending' | 'active', vapid_key?: string, server_time: number }} Questions
 * @typedef {object} Paired
 * @property {string} device_id
 * @property {string} issuer
 * @property {string} account
 * @property {string} site
 * @property {{ secret: string, digits: number, period: number }} otp
 * @property {Challenge} challenge
 * @property {'taken' | 'refused' | 'none'} [push]  what became of the address; sites of before do not say
 * @property {string} [vapid_key]
 * @property {number} server_time  seconds since 1970
 *
 * @typedef {{ decision: 'approve', number?: string } | { decision: 'deny', reason?: 'not_me' | 'mistake' }} Decision
 *
 * What hears the events of a stream: challenge, gone, linked or unlinked.
 * @callback Hear
 * @param {string} name
 * @param {{ cid: string, doc: string, why: string }} data  of which an event has what it needs
 *
 * Who signs, and is kept: what is learnt of its site's clock is kept with it.
 * @typedef {Signer & { id: string }} Speaker
 */

// Fault is a request that did not go; code is the protocol's, or one of ours:
// offline, server, foreign, plain, damaged, address, newer, stale. after is how many
// seconds to wait, time the site's time in seconds since 1970.
export class Fault extends Error {
  /** @param {string} code @param {{ after?: number, time?: number, cause?: unknown }} more */
  constructor(code, { after, time, cause } = {}) {
    super(code, { cause })
    this.code = code
    this.after = after
    this.time = time
  }
}

const loopback = /^(localhost|127\.\d+\.\d+\.\d+)$/

// siteOf is the URL of a host, as links and people write it.
/** @param {string} host */
export function siteOf(host) {
  const bare = host.trim().toLowerCase().replace(/^https?:\/\//, '').replace(/\/(app\/?)?$/, '')
  if (!/^[a-z0-9._~:/-]+$/.test(bare)) throw new Fault('address')
  try {
    const name = new URL('https:' + '//' + bare).hostname
    return (loopback.test(name) ? 'http:' : 'https:') + '//' + bare
  } catch {
    throw new Fault('address')
  }
}

/** @param {string} site */
export const hostOf = (site) => new URL(site).host

// readLink reads what a QR code says.
/** @param {string} text */
export function readLink(text) {
  const parts = /^otpauth:\/\/totp\/([^?#]{1,200})\?([^#]{1,300})$/.exec(text)
  if (!parts) throw new Fault('foreign')
  let label
  try { label = decodeURIComponent(parts[1]) } catch { throw new Fault('damaged') }
  const q = new URLSearchParams(parts[2])
  if (!q.has('idp') && !q.has('pair')) throw new Fault('plain')
  const idp = q.get('idp'), code = q.get('pair') ?? ''
  if (!/^[\w-]{22}$/.test(code) || !idp || new Set(q.keys()).size !== [...q.keys()].length) throw new Fault('damaged')
  const at = label.indexOf(':')
  return {
    issuer: siteOf(idp), site: q.get('issuer') || label.slice(0, Math.max(0, at)), name: label.slice(at + 1).trim(), pair: code,
  }
}

const patience = 15_000

/** @param {{ issuer: string }} a @param {string} path @param {RequestInit} init @param {number} wait seconds that the site may take */
async function call(a, path, init, wait = 0) {
  let reply
  try {
    reply = await fetch(a.issuer + '/device/v1/' + path, {
      credentials: 'omit', cache: 'no-store', redirect: 'error', referrerPolicy: 'no-referrer', signal: AbortSignal.timeout(patience + wait * 1000), ...init,
    })
  } catch (err) {
    throw new Fault('offline', { cause: err })
  }
  if (reply.ok) return reply
  /** @type {{ error?: string, retry_after?: number, server_time?: number }} */
  let p = {}
  try { p = await reply.json() } catch { /* not one of ours: a proxy's page */ }
  throw new Fault(p.error ?? 'server', { after: p.retry_after, time: p.server_time })
}

// skewed keeps how far our clock is off, when that is what was wrong.
/** @param {Speaker} a @param {Fault} fault */
async function skewed(a, fault) {
  if (fault.code !== 'clock_skew' || !fault.time) return false
  await change(a, { offset: fault.time - Math.floor(Date.now() / 1000) })
  return true
}

// twice does something again when only the clock was wrong.
/**
 * @template T
 * @param {Speaker} a
 * @param {() => Promise<T>} fn
 */
async function twice(a, fn) {
  try {
    return await fn()
  } catch (fault) {
    if (!await skewed(a, fault)) throw fault
    return fn()
  }
}

/**
 * @template T
 * @param {Speaker} a
 * @param {string} path
 * @param {Operation} typ
 * @param {Claims} claims
 * @param {number} wait  seconds that the site may take
 * @param {AbortSignal} [signal]
 * @param {CryptoKey} [second]  signs in the place of the first key
 * @returns {Promise<T>}  null where nothing is answered
 */
function post(a, path, typ, claims, wait = 0, signal = undefined, second = undefined) {
  return twice(a, async () => {
    /** @type {RequestInit} */
    const init = { method: 'POST', headers: { 'Content-Type': 'application/jose' }, body: await envelope(a, typ, claims, second), keepalive: path === 'answer' }
    if (signal && AbortSignal.any) init.signal = AbortSignal.any([signal, AbortSignal.timeout(patience + wait * 1000)])
    const reply = await call(a, path, init, wait)
    if (reply.status === 204) return null
    try { return await reply.json() } catch { throw new Fault('server') }
  })
}

// about asks a site who it is: before linking, so that the address for
// notifications is ready when the phone is.
/** @param {string} issuer */
export async function about(issuer) {
  /** @type {Site} */
  const site = await (await call({ issuer }, 'site', {})).json()
  if (site.issuer !== issuer) throw new Fault('server')
  return site
}

const steady = 5 // seconds of difference that are the network's

// pair links as far as the tap: it returns the account's fields, the question, and
// whether the site does not take this browser's push service.
/** @param {Speaker & { site: string }} a @param {Claims} claims */
export async function pair(a, claims) {
  /** @type {Paired} */
  const reply = await post(a, 'pair', 'pair', claims)
  if (reply.issuer !== a.issuer || !reply.device_id) throw new Fault('server')
  const off = reply.server_time - Math.floor(Date.now() / 1000)
  /** @type {Linked & { name: string, site: string, state: 'pending', offset: number }} */
  const fields = {
    device: reply.device_id, name: reply.account, site: reply.site || a.site, vapid: reply.vapid_key ?? '', state: 'pending',
    codes: await codeKey(reply.otp.secret), digits: reply.otp.digits, period: reply.otp.period, offset: Math.abs(off) > steady ? off : 0,
  }
  return { fields, challenge: reply.challenge, refused: reply.push === 'refused' }
}

// questions lists what waits for an answer; with wait it waits for a first one.
/** @param {Speaker} a @param {number} wait seconds @param {AbortSignal} [signal] */
export async function questions(a, wait = 0, signal = undefined) {
  /** @type {Questions} */
  const reply = await post(a, 'challenges', 'list', wait ? { wait } : {}, wait, signal)
  const off = reply.server_time - Math.floor(Date.now() / 1000)
  if (Math.abs(off - (a.offset ?? 0)) > steady) await change(a, { offset: Math.abs(off) > steady ? off : 0 })
  return reply
}

/** @type {(a: Speaker, push: Address | null) => Promise<null>} */
export const setPush = (a, push) => post(a, 'push', 'push', { push })
/** @type {(a: Speaker, name: string) => Promise<null>} */
export const rename = (a, name) => post(a, 'rename', 'rename', { name })
/** @type {(a: Speaker) => Promise<null>} */
export const unpair = (a) => post(a, 'unpair', 'unpair', {})

// readDoc reads a question. A fault means that it must not be approved: of a
// newer kind, of another site, or too old.
/**
 * @param {{ issuer: string, offset?: number, uv?: Second }} a
 * @param {string} cid
 * @param {string} text
 * @returns {Doc}
 */
export function readDoc(a, cid, text) {
  let doc
  try { doc = JSON.parse(text) } catch { throw new Fault('newer') }
  const m = doc.match ?? {}
  const ok = doc.v === 1 && (doc.must ?? []).every?.((/** @type {string} */ name) => name === 'uv' && a.uv) && ['login', 'pair', 'stepup'].includes(doc.purpose) && (m.mode === 'tap' ||
    m.mode === 'type' && m.len >= 1 && m.len <= 8 ||
    m.mode === 'pick' && Array.isArray(m.choices) && m.choices.length > 1 && m.choices.every((/** @type {string} */ n) => /^\d{1,8}$/.test(n)))
  if (!ok) throw new Fault('newer')
  if (doc.cid !== cid || doc.iss !== a.issuer) throw new Fault('damaged')
  if (seconds(a) >= doc.exp) throw new Fault('stale')
  return doc
}

// answer tells the site what the person has decided. What is signed is the
// digest of what was shown.
/**
 * @param {Speaker} a
 * @param {{ cid: string, text: string }} ask
 * @param {Decision} decision
 * @param {CryptoKey} [second]  signs in the place of the first key
 * @returns {Promise<{ state: string }>}
 */
export async function answer(a, ask, decision, second) {
  if (decision.decision === 'approve') readDoc(a, ask.cid, ask.text)
  return post(a, 'answer', 'answer', { cid: ask.cid, ch: await digest(ask.text), ...decision }, 0, undefined, second)
}

const silence = 40_000

// listen hears of questions as they come, until the stream ends.
/** @param {Speaker} a @param {Hear} hear @param {AbortSignal} signal */
export function listen(a, hear, signal) {
  return twice(a, async () => {
    const stop = new AbortController()
    const end = () => stop.abort()
    signal.addEventListener('abort', end)
    let dead = setTimeout(end, silence)
    try {
      const stream = await call(a, 'listen', { headers: { Authorization: 'Device ' + await envelope(a, 'listen', {}) }, signal: stop.signal })
      if (!stream.body) throw new Fault('offline')
      const reader = stream.body.pipeThrough(new TextDecoderStream()).getReader()
      let rest = ''
      for (;;) {
        const { value, done } = await reader.read()
        if (done) return
        clearTimeout(dead)
        dead = setTimeout(end, silence)
        const blocks = (rest + value).split('\n\n')
        rest = blocks.pop() ?? ''
        for (const block of blocks) heard(block, hear)
      }
    } catch (err) {
      throw err instanceof Fault ? err : new Fault('offline', { cause: err })
    } finally {
      clearTimeout(dead)
      signal.removeEventListener('abort', end)
    }
  })
}

// heard reads one event of a stream (WHATWG HTML, section 9.2).
/** @param {string} block @param {Hear} hear */
function heard(block, hear) {
  let name = '', data = ''
  for (const line of block.split('\n')) {
    if (line.startsWith('event: ')) name = line.slice(7)
    else if (line.startsWith('data: ')) data += line.slice(6)
  }
  if (!name) return
  try { hear(name, JSON.parse(data)) } catch { /* of a newer kind */ }
}

// addressOf is a push subscription as sites take it.
/** @param {PushSubscription} sub @returns {Address} */
export function addressOf(sub) {
  const { endpoint = '', keys = {} } = sub.toJSON()
  return { type: 'webpush', endpoint, p256dh: keys.p256dh, auth: keys.auth }
}

/** @param {string} text */
export const vapidBytes = (text) => Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), (c) => c.charCodeAt(0))
/** @param {PushSubscription} sub */
export const vapidOf = (sub) => sub.options?.applicationServerKey ? b64url(sub.options.applicationServerKey) : ''
