// What waits for an answer, and how each site is reached: by a stream while the
// app is seen, by asking where streams do not get through.

import { Fault, listen, questions, readDoc } from './protocol.js'
import { change, drop, kept, moved } from './store.js'
import { clearNotes, leave, refresh } from './push.js'
import { signs } from './sign.js'

/** @import { Account } from './store.js' */
/** @import { Doc, Hear, Questions } from './protocol.js' */
/** @import { Args } from './language.js' */
/** @import { Key } from './words.js' */

/**
 * A question that waits. doc is not there when it must not be approved, for the reason in
 * fault. The rest is of the view that shows it.
 * @typedef {object} Ask
 * @property {Account} a
 * @property {string} cid
 * @property {string} text  as it came, which an answer is about
 * @property {Doc} [doc]
 * @property {string} [fault]
 * @property {boolean} [busy]     an answer is on its way
 * @property {boolean} [denying]  the person is asked why
 * @property {boolean} [shown]
 * @property {(key: string) => void} [press]  a digit, or erase
 *
 * What came of something, for the person: a key of the words and what it speaks of.
 * @typedef {{ key: Key, args?: Args, bad: boolean }} Told
 *
 * @typedef {Pick<Account, 'id' | 'issuer' | 'site' | 'name'>} Note
 */

/** @type {Account[]} as shown, oldest first */
export const accounts = []
/** @type {Ask[]} oldest first */
export const asks = []

const events = new EventTarget()
/** @param {() => void} fn */
export const onChange = (fn) => events.addEventListener('change', fn)
/** @param {(told: Told) => void} fn */
export const onTold = (fn) => events.addEventListener('told', (e) => fn(/** @type {CustomEvent<Told>} */ (e).detail))
export const changed = () => events.dispatchEvent(new Event('change'))
/** @param {Key} key @param {Args} [args] */
const tell = (key, args, bad = true) => events.dispatchEvent(new CustomEvent('told', { detail: { key, args, bad } }))

const maxStreams = 3 // per site: browsers open six connections to one, and some are needed to answer
/** @type {Map<string, AbortController>} */
const followed = new Map()

// The names alone are noted beside the keys, so that the app can say whose keys
// are gone when a browser has thrown them away.
const note = 'hilum.accounts'
/** @returns {Note[]} */
export const noted = () => { try { return JSON.parse(localStorage.getItem(note) ?? 'null') ?? [] } catch { return [] } }
export function remember() {
  const before = lost()
  const list = accounts.filter((a) => a.state !== 'pairing').map(({ id, issuer, site, name }) => ({ id, issuer, site, name }))
  try { localStorage.setItem(note, JSON.stringify([...before, ...list])) } catch { /* a hint only */ }
}
/** @param {string} id */
export function forget(id) {
  try { localStorage.setItem(note, JSON.stringify(noted().filter((n) => n.id !== id))) } catch { /* a hint only */ }
}

// hasLock reports whether something opens the app first (lock.js).
export const hasLock = () => { try { return localStorage.getItem('hilum.lock') !== null } catch { return false } }

// load reads the accounts and tries their keys.
export async function load() {
  const list = await kept()
  accounts.length = 0
  for (const a of list.sort((x, y) => x.at - y.at)) {
    // pairing: never heard of by its site, as far as we know.
    if (a.state === 'unlinked' || a.state !== 'pairing' && await signs(a)) accounts.push(a)
    else await drop(a.id)
  }
  remember()
  for (const a of accounts.filter((b) => b.state === 'unlinked')) await unlinked(a) // the service worker has heard of it
}

export const lost = () => noted().filter((n) => accounts.every((a) => a.id !== n.id))

// wipe removes an account from this phone.
/** @param {Account} a */
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
/** @param {Account} a @param {string} cid @param {string} text */
export function add(a, cid, text) {
  if (asks.some((q) => q.cid === cid)) return
  /** @type {Ask} */
  const ask = { a, cid, text }
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
/** @param {string} cid */
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

/** @type {Record<string, Key>} */
const whys = { approved: 'gone.approved', denied: 'gone.denied', wrong: 'gone.wrong', expired: 'gone.expired', withdrawn: 'gone.withdrawn' }

// unlinked: the site has said that this phone is not linked any more.
/** @param {Account} a @param {Key} words */
async function unlinked(a, words = 'told.unlinked') {
  if (!moved(a, accounts)) tell(words, { Name: a.name, Site: a.site })
  await wipe(a)
}

// over acts on a fault that trying again does not help; true when it was one.
/** @param {Account} a @param {Fault} fault */
export async function over(a, fault) {
  if (a.state === 'pending' && ['unlinked', 'invalid_device'].includes(fault.code)) await unlinked(a, 'told.unfinished')
  else if (fault.code === 'unlinked') await unlinked(a)
  else if (fault.code === 'invalid_device') {
    await change(a, { state: 'unknown' })
    changed()
  } else return false
  return true
}

// look asks what waits, and takes away what does not any more.
/** @param {Account} a @param {number} wait seconds @param {AbortSignal} signal */
async function look(a, wait, signal) {
  const reply = await questions(a, wait, signal)
  const there = new Set(reply.challenges.map((c) => c.cid))
  for (const c of reply.challenges) add(a, c.cid, c.doc)
  for (const ask of asks.filter((q) => q.a.id === a.id && !there.has(q.cid) && !q.busy)) {
    gone(ask.cid)
    tell('gone.withdrawn')
  }
  if (a.state === 'pending') await progress(a, reply)
  state(a, '')
  refresh(a, reply.vapid_key ?? '').then(changed, () => {})
}

// progress follows a linking: it may have ended elsewhere, or an answer was lost.
/** @param {Account} a @param {Questions} reply */
async function progress(a, reply) {
  if (reply.state === 'pending') {
    if (reply.challenges.length === 0 && !a.tapped) await change(a, { tapped: true })
  } else if (reply.state === 'active' || reply.challenges.length === 0) await nowLinked(a)
}

/** @param {Account} a */
async function nowLinked(a) {
  await change(a, { state: 'active', tapped: false })
  for (const ask of asks.filter((q) => q.a.id === a.id && q.doc?.purpose === 'pair')) gone(ask.cid) // its code was typed
  tell('done.paired', {}, false)
  changed()
}

/** @param {Account} a @param {'' | 'offline' | 'server'} trouble */
function state(a, trouble) {
  if (a.trouble === trouble) return
  a.trouble = trouble
  changed()
}

/** @type {(ms: number, signal: AbortSignal) => Promise<void>} */
const pause = (ms, signal) => new Promise((done) => {
  const t = setTimeout(done, ms)
  signal.addEventListener('abort', () => { clearTimeout(t); done() })
})

/** @param {Account} a @param {Parameters<Hear>[0]} name @param {Parameters<Hear>[1]} data */
function hear(a, name, data) {
  if (name === 'challenge') add(a, data.cid, data.doc)
  else if (name === 'gone') {
    const ask = asks.find((q) => q.cid === data.cid)
    if (ask && !ask.busy && gone(data.cid)) tell(whys[data.why] ?? 'gone.withdrawn', {}, data.why !== 'approved')
  } else if (name === 'linked') nowLinked(a).catch(() => {}) // else the next look finds it
  else if (name === 'unlinked') throw new Fault('unlinked')
}

/** @param {Account} a @param {boolean} streams @param {AbortSignal} signal */
async function follow(a, streams, signal) {
  let gap = 1000, broken = 0, ended = false
  while (!signal.aborted && !ended) {
    try {
      await look(a, broken > 1 || !streams ? 25 : 0, signal)
      gap = 1000
      if (streams && broken < 2) {
        /** @type {Fault | undefined} */
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
        gap = Math.min(2 * gap, 30_000)
        state(a, fault.code === 'offline' ? 'offline' : fault.code === 'too_many' ? '' : 'server')
      }
    }
    if (!ended) await pause(gap / 2 + Math.random() * gap, signal) // so that not all come back at once
  }
}

// watch follows every account while the app is seen.
export function watch() {
  /** @type {Record<string, number>} */
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
