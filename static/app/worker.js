// The service worker: the app without a network, and questions while it is closed.
// static/app.go writes the constants look, extras, version and files before it.
//
// It answers for /app/ alone. Nothing else of the site goes through it, and
// nothing but the app's own files and the look of the site is ever kept.

import { Fault, addressOf, answer, questions, readDoc, setPush, vapidBytes } from './protocol.js'
import { change, kept, keptOne, moved } from './store.js'
import { language, speaker } from './language.js'
import { digest, thumbprint } from './sign.js'
import de from './notes.de.js'
import en from './notes.en.js'
import fr from './notes.fr.js'
import nl from './notes.nl.js'

/** @import { Account, ToPage, ToWorker } from './store.js' */
/** @import { Doc } from './protocol.js' */

/**
 * What a push holds (docs/device-protocol.md, «Pushes»).
 * @typedef {object} Push
 * @property {'login' | 'gone' | 'test' | 'changed'} [t]
 * @property {string} [a]  the tag of the account; sites of before do not say
 * @property {string} [c]  the challenge's id
 * @property {{ title?: string, body?: string }} [notification]
 *
 * What a notification keeps for when it is tapped: the question, and whose it is and its
 * text where it can be denied from there.
 * @typedef {{ cid?: string, id?: string, text?: string }} Tapped
 *
 * What is heard of a question at the site of an account. doc is not there where it must
 * not be approved.
 * @typedef {object} Look
 * @property {Account} a
 * @property {boolean} [heard]     the site has answered
 * @property {boolean} [unlinked]
 * @property {number} [n]          how many questions wait there
 * @property {{ cid: string, text: string }} [ask]
 * @property {Doc} [doc]
 */

const worker = /** @type {ServiceWorkerGlobalScope} */ (/** @type {unknown} */ (self))
const { clients, registration } = worker

// What is served here lies beneath base, the path of the provider's issuer, which is
// empty for most. A further site has a registration of its own, below the app's.
const scope = new URL(registration.scope).pathname
const base = /^(.*)\/app\//.exec(scope)?.[1] ?? ''
const app = base + '/app/'
const own = files.map((path) => base + path)
const looks = extras.map((path) => base + path)

const home = scope === app
// Another provider on this host has caches of its own.
const keptAs = base ? 'hilum' + app : 'hilum-app-'
const cacheName = keptAs + version + '-' + look
const pages = [app, app + 'scan']

// t says a sentence. The worker may not import what it has not kept when it was
// installed, and the language of a phone is changed without asking it: it has all.
const t = speaker({ de, en, fr, nl }[language])

worker.addEventListener('install', (event) => { if (home) event.waitUntil(fill()) })

// fill keeps a whole version, or nothing: pages and files of two versions do not
// fit one another.
async function fill() {
  const cache = await caches.open(cacheName)
  await cache.addAll([...own.filter(needed), ...looks].map((path) => new Request(path, { credentials: 'omit' })))
  for (const path of pages) {
    const page = await fetch(path, { credentials: 'omit', cache: 'no-store' })
    if (!page.ok || !(await page.clone().text()).includes('/static/' + version + '/')) throw new Error(path)
    await cache.put(path, page)
  }
}

// needed is all but the languages that are not spoken here; English stands in for
// one that is asked for later, without a network.
/** @param {string} path */
function needed(path) {
  const words = /\/(?:lock|notes|words)\.(\w+)\.js$/.exec(path)
  return !words || words[1] === language || words[1] === 'en'
}

worker.addEventListener('activate', (event) => { if (home) event.waitUntil(begin()) })

async function begin() {
  for (const name of await caches.keys()) if (name.startsWith(keptAs) && name !== cacheName) await caches.delete(name)
  await clients.claim()
}

addEventListener('message', (/** @type {MessageEvent<ToWorker>} */ event) => { if (event.data === 'take over') worker.skipWaiting() })

worker.addEventListener('fetch', (event) => {
  const url = new URL(event.request.url)
  if (!home || event.request.method !== 'GET' || url.origin !== location.origin) return
  if (event.request.mode === 'navigate' && pages.includes(url.pathname)) event.respondWith(fromCache(url.pathname, event.request))
  else if (url.pathname.startsWith(base + '/static/' + version + '/app/') || looks.includes(url.pathname)) event.respondWith(fromCache(url.pathname, event.request))
  else if (url.pathname.startsWith(base) && /^\/static\/[^/]+\/app\/main\.js$/.test(url.pathname.slice(base.length))) event.respondWith(orAnew(event.request))
})

// orAnew is the beginning of another version: of a page that the worker before
// this one has given out, just before this one took over. Where it is not to be had
// any more, the page is opened anew, and is of this version then.
/** @param {Request} request */
async function orAnew(request) {
  const got = await fetch(request).catch(() => undefined)
  return got?.ok ? got : new Response('location.reload()', { headers: { 'Content-Type': 'text/javascript' } })
}

/** @param {string} path @param {Request} request */
async function fromCache(path, request) {
  // Not by opening the cache: that would make it anew where the next version has
  // just deleted it, and this one would look as if it were kept.
  const found = await caches.match(path, { cacheName })
  if (found) return found
  const got = await fetch(request)
  // The reader of QR codes is kept when it was needed once, and a language.
  if (got.ok && path.startsWith(base + '/static/') && await caches.has(cacheName)) await (await caches.open(cacheName)).put(path, got.clone())
  return got
}

worker.addEventListener('push', (event) => {
  /** @type {Push} */
  let message = {}
  try { message = event.data?.json() ?? {} } catch { /* shown as a question */ }
  event.waitUntil(pushed(message))
})

// Every push shows something: platforms stop delivering to who stays silent.
/** @param {Push} message */
async function pushed(message) {
  const said = message.notification ?? {}
  const tag = message.c || message.t || 'request'
  /** @param {string} title @param {string} body @param {NotificationOptions & { data?: Tapped }} more */
  const note = (title, body, more = {}) => registration.showNotification(title, {
    body, tag, icon: file('icon-192.png'), badge: file('badge.png'), lang: language, data: { cid: message.c }, ...more,
  })
  if (message.t === 'gone') return note(t('push.generic'), t('push.gone'), { silent: true })
  if (message.t === 'test') return note(t('push.test'), t('push.test.text'))
  if (message.t === 'changed') {
    // It may be this phone that is linked no more: then its keys go, and its codes.
    const gone = (await Promise.all((await meant(message)).map((one) => find(one)))).find((x) => x.unlinked)
    if (gone) return note(t('push.generic'), t('push.unlinked', { Name: gone.a.name, Site: gone.a.site }))
    return note(t('push.changed'), t('push.changed.text'))
  }
  if (message.t !== 'login') return note(said.title ?? t('push.generic'), said.body ?? t('push.generic.text'))
  // Who has the app before their eyes sees the request there.
  const seen = (await clients.matchAll({ type: 'window' })).some((c) => c.visibilityState === 'visible' && new URL(c.url).pathname.startsWith(app))
  const answers = await Promise.all((await meant(message)).map((one) => find(one, message.c)))
  const got = answers.find((x) => x.ask)
  if (!got?.ask) {
    const gone = answers.find((x) => x.unlinked)
    if (gone) return note(t('push.generic'), t('push.unlinked', { Name: gone.a.name, Site: gone.a.site }))
    if (answers.length && answers.every((x) => x.heard)) return note(t('push.generic'), t('push.gone'), { silent: true })
    return note(t('push.generic'), t('push.generic.text'))
  }
  await self.navigator.setAppBadge?.(answers.reduce((n, x) => n + (x.n ?? 0), 0))?.catch(() => {})
  const { a, ask, doc } = got
  const who = t('push.text', { Name: a.name, Site: a.site })
  if (!doc) return note(t('push.generic'), t('push.update'), { data: { cid: ask.cid } })
  await note(doc.purpose === 'pair' ? t('ask.pair') : doc.purpose === 'stepup' ? t('ask.stepup') : t('ask.title', { App: doc.app }), who, {
    requireInteraction: true, silent: seen, timestamp: doc.at * 1000, data: { cid: ask.cid, id: a.id, text: ask.text },
    // Approving always opens the app: what is approved has to be seen.
    actions: doc.purpose === 'pair' ? [] : [{ action: 'open', title: t('push.generic.text') }, { action: 'deny', title: t('ask.deny') }],
  })
}

/** @param {string} name */
const file = (name) => own.find((path) => path.endsWith('/app/' + name))

// ours are the accounts that this registration is for.
async function ours() {
  /** @type {Account[]} */
  const list = []
  for (const a of await kept().catch(() => [])) {
    const at = a.issuer === location.origin + base ? app : app + 'at/' + (await digest(a.issuer)).slice(0, 16) + '/'
    if (at === scope && a.device && a.state !== 'unknown' && a.state !== 'unlinked') list.push(a)
  }
  return list
}

// meant are the accounts that a push may be about: the one of its tag, the beginning of
// the thumbprint of its key (RFC 7638), else all of this registration.
/** @param {Push} message */
async function meant(message) {
  const list = await ours()
  for (const a of message.a ? list : []) {
    if ((await thumbprint(a)).slice(0, 16) === message.a) return [a]
  }
  return list
}

// find asks a site for the question that a push speaks of.
/** @param {Account} a @param {string} [cid] @returns {Promise<Look>} */
async function find(a, cid) {
  try {
    const { challenges } = await questions(a)
    const c = challenges.find((x) => x.cid === cid)
    if (!c) return { a, heard: true, n: challenges.length }
    const ask = { cid: c.cid, text: c.doc }
    try { return { a, heard: true, n: challenges.length, ask, doc: readDoc(a, c.cid, c.doc) } } catch { return { a, ask, n: challenges.length } }
  } catch (fault) {
    if (fault.code !== 'unlinked') return { a }
    // The page tells the person; the keys go now.
    await change(a, { state: 'unlinked', key: null, codes: null })
    return { a, heard: true, unlinked: !moved(a, await kept()) }
  }
}

worker.addEventListener('notificationclick', (event) => {
  event.notification.close()
  /** @type {Tapped} */
  const { cid, id, text } = event.notification.data ?? {}
  event.waitUntil(event.action === 'deny' && id && cid && text ? deny(id, { cid, text }) : show(cid))
})

/** @param {string} id @param {{ cid: string, text: string }} ask */
async function deny(id, ask) {
  try {
    const a = await keptOne(id)
    if (!a) throw new Fault('keys')
    await answer(a, ask, { decision: 'deny' })
    await self.navigator.clearAppBadge?.()?.catch(() => {})
  } catch (fault) {
    if (['already_answered', 'expired', 'withdrawn', 'no_challenge'].includes(fault.code)) return
    await registration.showNotification(t('push.generic'), { body: t('push.not.denied'), tag: ask.cid, icon: file('icon-192.png'), data: { cid: ask.cid } })
  }
}

// show brings the app to the front.
/** @param {string} [cid] */
async function show(cid) {
  for (const c of await clients.matchAll({ type: 'window', includeUncontrolled: true })) {
    if (!new URL(c.url).pathname.startsWith(app)) continue
    c.postMessage(/** @satisfies {ToPage} */ ('look'))
    return c.focus()
  }
  return clients.openWindow(app + (cid ? '#c=' + encodeURIComponent(cid) : ''))
}

worker.addEventListener('pushsubscriptionchange', (event) => event.waitUntil(resubscribe()))

async function resubscribe() {
  for (const a of await ours()) {
    const sub = await registration.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: vapidBytes(a.vapid) })
    const address = addressOf(sub)
    await setPush(a, address)
    await change(a, { push: JSON.stringify(address) })
  }
}
