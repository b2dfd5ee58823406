// One site's side of the device protocol: links, requests, what they answer.
// Written for docs/device-protocol.md; it knows nothing else of a site.

import { b64url, codeKey, digest, envelope, seconds } from './sign.js'
import { change } from './store.js'

// Fault is a request that did not go; code is the protocol's, or one of ours:
// offline, server, foreign, plain, damaged, address, newer, stale.
export class Fault extends Error {
  constructor(code, more = {}) {
    super(code)
    this.code = code
    Object.assign(this, more)
  }
}

const loopback = /^(localhost|127\.\d+\.\d+\.\d+)$/

// siteOf is the URL of a host, as links and people write it.
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

export const hostOf = (site) => new URL(site).host

// readLink reads what a QR code says.
export function readLink(text) {
  const parts = /^otpauth:\/\/totp\/([^?#]{1,200})\?([^#]{1,300})$/.exec(text)
  if (!parts) throw new Fault('foreign')
  let label
  try { label = decodeURIComponent(parts[1]) } catch { throw new Fault('damaged') }
  const q = new URLSearchParams(parts[2])
  if (!q.has('idp') && !q.has('pair')) throw new Fault('plain')
  if (!/^[\w-]{22}$/.test(q.get('pair') ?? '') || !q.get('idp') || new Set(q.keys()).size !== [...q.keys()].length) throw new Fault('damaged')
  const at = label.indexOf(':')
  return {
    issuer: siteOf(q.get('idp')), site: q.get('issuer') || label.slice(0, Math.max(0, at)), name: label.slice(at + 1).trim(), pair: q.get('pair'),
  }
}

const patience = 15_000

async function call(a, path, init, wait = 0) {
  let answer
  try {
    answer = await fetch(a.issuer + '/device/v1/' + path, {
      credentials: 'omit', cache: 'no-store', redirect: 'error', referrerPolicy: 'no-referrer', signal: AbortSignal.timeout(patience + wait * 1000), ...init,
    })
  } catch (err) {
    throw new Fault('offline', { stopped: init.signal?.aborted, cause: err })
  }
  if (answer.ok) return answer
  let p = {}
  try { p = await answer.json() } catch { /* not one of ours: a proxy's page */ }
  throw new Fault(p.error ?? 'server', { status: answer.status, state: p.state, after: p.retry_after, time: p.server_time, reference: p.reference })
}

// skewed keeps how far our clock is off, when that is what was wrong.
async function skewed(a, fault) {
  if (fault.code !== 'clock_skew' || !fault.time) return false
  await change(a, { offset: fault.time - Math.floor(Date.now() / 1000) })
  return true
}

// twice does something again when only the clock was wrong.
async function twice(a, fn) {
  try {
    return await fn()
  } catch (fault) {
    if (!await skewed(a, fault)) throw fault
    return fn()
  }
}

function post(a, path, typ, claims, wait = 0, signal = undefined) {
  return twice(a, async () => {
    const init = { method: 'POST', headers: { 'Content-Type': 'application/jose' }, body: await envelope(a, typ, claims), keepalive: path === 'answer' }
    if (signal && AbortSignal.any) init.signal = AbortSignal.any([signal, AbortSignal.timeout(patience + wait * 1000)])
    const answer = await call(a, path, init, wait)
    if (answer.status === 204) return null
    try { return await answer.json() } catch { throw new Fault('server', { status: answer.status }) }
  })
}

// about asks a site who it is: before linking, so that the address for
// notifications is ready when the phone is.
export async function about(issuer) {
  const site = await (await call({ issuer }, 'site', {})).json()
  if (site.issuer !== issuer) throw new Fault('server')
  return site
}

const steady = 5 // seconds of difference that are the network's

// pair links as far as the tap: it returns the account's fields and the question.
export async function pair(a, claims) {
  const reply = await post(a, 'pair', 'pair', claims)
  if (reply.issuer !== a.issuer || !reply.device_id) throw new Fault('server')
  const off = reply.server_time - Math.floor(Date.now() / 1000)
  return {
    fields: {
      device: reply.device_id, name: reply.account, site: reply.site || a.site, vapid: reply.vapid_key ?? '', state: 'pending',
      codes: await codeKey(reply.otp.secret), digits: reply.otp.digits, period: reply.otp.period, offset: Math.abs(off) > steady ? off : 0,
    },
    challenge: reply.challenge,
  }
}

// questions lists what waits for an answer; with wait it waits for a first one.
export async function questions(a, wait = 0, signal = undefined) {
  const reply = await post(a, 'challenges', 'list', wait ? { wait } : {}, wait, signal)
  const off = reply.server_time - Math.floor(Date.now() / 1000)
  if (Math.abs(off - (a.offset ?? 0)) > steady) await change(a, { offset: Math.abs(off) > steady ? off : 0 })
  return reply
}

export const setPush = (a, push) => post(a, 'push', 'push', { push })
export const rename = (a, name) => post(a, 'rename', 'rename', { name })
export const unpair = (a) => post(a, 'unpair', 'unpair', {})

// readDoc reads a question. A fault means that it must not be approved: of a
// newer kind, of another site, or too old.
export function readDoc(a, cid, text) {
  let doc
  try { doc = JSON.parse(text) } catch { throw new Fault('newer') }
  const m = doc.match ?? {}
  const known = doc.v === 1 && ['login', 'pair', 'stepup'].includes(doc.purpose) && (m.mode === 'tap' ||
    m.mode === 'type' && m.len >= 1 && m.len <= 8 ||
    m.mode === 'pick' && Array.isArray(m.choices) && m.choices.length > 1 && m.choices.every((n) => /^\d{1,8}$/.test(n)))
  if (!known) throw new Fault('newer')
  if (doc.cid !== cid || doc.iss !== a.issuer) throw new Fault('damaged')
  if (seconds(a) >= doc.exp) throw new Fault('stale')
  return doc
}

// answer tells the site what the person has decided. What is signed is the
// digest of what was shown.
export async function answer(a, ask, decision) {
  if (decision.decision === 'approve') readDoc(a, ask.cid, ask.text)
  return post(a, 'answer', 'answer', { cid: ask.cid, ch: await digest(ask.text), ...decision })
}

const silence = 40_000

// listen hears of questions as they come, until the stream ends.
export function listen(a, hear, signal) {
  return twice(a, async () => {
    const stop = new AbortController()
    const end = () => stop.abort()
    signal.addEventListener('abort', end)
    let dead = setTimeout(end, silence)
    try {
      const stream = await call(a, 'listen', { headers: { Authorization: 'Device ' + await envelope(a, 'listen', {}) }, signal: stop.signal })
      const reader = stream.body.pipeThrough(new TextDecoderStream()).getReader()
      let rest = ''
      for (;;) {
        const { value, done } = await reader.read()
        if (done) return
        clearTimeout(dead)
        dead = setTimeout(end, silence)
        const blocks = (rest + value).split('\n\n')
        rest = blocks.pop()
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
export function addressOf(sub) {
  const { endpoint, keys } = sub.toJSON()
  return { type: 'webpush', endpoint, p256dh: keys.p256dh, auth: keys.auth }
}

export const vapidBytes = (text) => Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), (c) => c.charCodeAt(0))
export const vapidOf = (sub) => sub.options?.applicationServerKey ? b64url(sub.options.applicationServerKey) : ''
