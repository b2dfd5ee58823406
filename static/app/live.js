// What waits for an answer, and how each site is reached: by a stream while the
// app is seen, by asking where streams do not get through.

import { Fault, listen, questions, readDoc } from './protocol.js'
import { change, drop, kept } from './store.js'
import { clearNotes, leave, refresh } from './push.js'
import { signs } from './sign.js'

export const accounts = [] // as shown, oldest first
export const asks = []     // {a, cid, text, doc, fault}, oldest first

const events = new EventTarget()
export const onChange = (fn) => events.addEventListener('change', fn)
export const onTold = (fn) => events.addEventListener('told', (e) => fn(e.detail))
export const changed = () => events.dispatchEvent(new Event('change'))
const tell = (key, args, bad = true) => events.dispatchEvent(new CustomEvent('told', { detail: { key, args, bad } }))

const maxStreams = 3 // per site: browsers open six connections to one, and some are needed to answer
const followed = new Map()

// The names alone are noted beside the keys, so that the app can say whose keys
// are gone when a browser has thrown them away.
const note = 'hilum.accounts'
export const noted = () => { try { return JSON.parse(localStorage.getItem(note)) ?? [] } catch { return [] } }
export function remember() {
  const lost = noted().filter((n) => accounts.every((a) => a.id !== n.id))
  const list = accounts.filter((a) => a.state !== 'pairing').map(({ id, issuer, site, name }) => ({ id, issuer, site, name }))
  try { localStorage.setItem(note, JSON.stringify([...lost, ...list])) } catch { /* a hint only */ }
}
export function forget(id) {
  try { localStorage.setItem(note, JSON.stringify(noted().filter((n) => n.id !== id))) } catch { /* a hint only */ }
}

// load reads the accounts and tries their keys.
export async function load() {
  const list = await kept()
  accounts.length = 0
  for (const a of list.sort((x, y) => x.at - y.at)) {
    if (a.state === 'pairing') await drop(a.id) // never heard of by its site, as far as we know
    else if (a.state === 'unlinked') { // the service worker has heard of it
      await drop(a.id)
      forget(a.id)
      tell('told.unlinked', { Name: a.name, Site: a.site })
    } else if (await signs(a)) accounts.push(a)
    else await drop(a.id)
  }
  remember()
}

export const lost = () => noted().filter((n) => accounts.every((a) => a.id !== n.id))

// wipe removes an account from this phone.
export async function wipe(a) {
  followed.get(a.id)?.abort()
  followed.delete(a.id)
  await drop(a.id)
  const at = accounts.findIndex((b) => b.id === a.id)
  if (at >= 0) accounts.splice(at, 1)
  for (const ask of asks.filter((q) => q.a.id === a.id)) gone(ask.cid)
  forget(a.id)
  changed()
  await leave(a.issuer, accounts).catch(() => {})
}

// add shows a question, once.
export function add(a, cid, text) {
  if (asks.some((q) => q.cid === cid)) return
  const ask = { a, cid, text, since: Date.now() }
  try { ask.doc = readDoc(a, cid, text) } catch (fault) {
    if (fault.code === 'stale') return
    ask.fault = fault.code
  }
  if (ask.doc?.purpose === 'pair' && a.state !== 'pending') return // another phone's
  asks.push(ask)
  badge()
  changed()
}

// gone takes a question away, whatever the reason.
export function gone(cid) {
  const at = asks.findIndex((q) => q.cid === cid)
  if (at >= 0) asks.splice(at, 1)
  badge()
  clearNotes(cid).catch(() => {})
  changed()
  return at >= 0
}

function badge() {
  if (asks.length) navigator.setAppBadge?.(asks.length)?.catch(() => {})
  else navigator.clearAppBadge?.()?.catch(() => {})
}

const whys = { approved: 'gone.approved', denied: 'gone.denied', wrong: 'gone.wrong', expired: 'gone.expired', withdrawn: 'gone.withdrawn' }

// unlinked: the site has said that this phone is not linked any more.
async function unlinked(a) {
  tell('told.unlinked', { Name: a.name, Site: a.site })
  await wipe(a)
}

// over acts on a fault that trying again does not help; true when it was one.
export async function over(a, fault) {
  if (fault.code === 'unlinked') await unlinked(a)
  else if (fault.code === 'invalid_device' && a.state === 'pending') {
    tell('told.unfinished', { Name: a.name, Site: a.site })
    await wipe(a)
  } else if (fault.code === 'invalid_device') {
    await change(a, { state: 'unknown' })
    changed()
  } else return false
  return true
}

// look asks what waits, and takes away what does not any more.
async function look(a, wait, signal) {
  const reply = await questions(a, wait, signal)
  const there = new Set(reply.challenges.map((c) => c.cid))
  for (const c of reply.challenges) add(a, c.cid, c.doc)
  for (const ask of asks.filter((q) => q.a.id === a.id && !there.has(q.cid) && !q.busy)) {
    gone(ask.cid)
    tell('gone.withdrawn')
  }
  if (a.state === 'pending' && reply.challenges.length === 0) await change(a, { state: 'active' }) // linked; the reply was lost
  state(a, '')
  refresh(a, reply.vapid_key ?? '').then(changed, () => {})
}

function state(a, trouble) {
  if (a.trouble === trouble) return
  a.trouble = trouble
  changed()
}

const pause = (ms, signal) => new Promise((done) => {
  const t = setTimeout(done, ms)
  signal.addEventListener('abort', () => { clearTimeout(t); done() })
})

function hear(a, name, data) {
  if (name === 'challenge') add(a, data.cid, data.doc)
  else if (name === 'gone') {
    const ask = asks.find((q) => q.cid === data.cid)
    if (ask && !ask.busy && gone(data.cid)) tell(whys[data.why] ?? 'gone.withdrawn', {}, data.why !== 'approved')
  } else if (name === 'unlinked') throw new Fault('unlinked')
}

async function follow(a, streams, signal) {
  let rest = 1000, broken = 0, ended
  while (!signal.aborted && !ended) {
    try {
      await look(a, broken > 1 || !streams ? 25 : 0, signal)
      rest = 1000
      if (streams && broken < 2) {
        let last
        await listen(a, (name, data) => { try { hear(a, name, data) } catch (fault) { last = fault } }, signal)
        if (last) throw last
        broken = 0
      } else if (broken++ > 3) broken = 0 // the stream may get through by now
    } catch (fault) {
      if (signal.aborted) return
      ended = await over(a, fault)
      if (!ended) {
        broken++
        rest = Math.min(2 * rest, 30_000)
        state(a, fault.code === 'offline' ? 'offline' : fault.code === 'too_many' ? '' : 'server')
      }
    }
    if (!ended) await pause(rest / 2 + Math.random() * rest, signal) // so that not all come back at once
  }
}

// watch follows every account while the app is seen.
export function watch() {
  const perSite = {}
  for (const a of accounts) {
    perSite[a.issuer] = (perSite[a.issuer] ?? 0) + 1
    if (followed.has(a.id) || a.state === 'unknown') continue
    const stop = new AbortController()
    followed.set(a.id, stop)
    follow(a, perSite[a.issuer] <= maxStreams, stop.signal).catch(() => {})
  }
}

export function rest() {
  for (const stop of followed.values()) stop.abort()
  followed.clear()
}

export function again() {
  rest()
  watch()
}
