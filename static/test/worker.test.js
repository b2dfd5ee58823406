// The service worker as it is sent, in a world of its own.

import assert from 'node:assert/strict'
import vm from 'node:vm'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { webcrypto } from 'node:crypto'
import { IDBFactory } from './fake-indexeddb/index.js'
import { json, keyOf, opened, vectors } from './browser.js'
import { codeKey, digest } from '../app/sign.js'

const { device, now } = vectors
const home = 'https://home.test'

// static.Worker writes it for the tests; by hand there is another beginning.
const source = process.env.WORKER ? readFileSync(process.env.WORKER, 'utf8')
  : `const look = 'l'\nconst extras = ['/look.css']\nconst version = 'v1'\nconst files = ${JSON.stringify(['main.js', 'icon-192.png', 'badge.png', ...['de', 'en', 'fr', 'nl'].flatMap((l) => [`notes.${l}.js`, `words.${l}.js`])].map((f) => '/static/v1/app/' + f))};\n`
    + readFileSync(new URL('../app/sw.js', import.meta.url), 'utf8')
const version = /const version = '(\w+)'/.exec(source)[1]

// phone runs the worker of a scope in a browser that asks for a language. answers are
// those of the network, by address.
function phone({ language = 'nl-BE', scope = '/app/', answers = {}, windows = [] } = {}) {
  const listeners = {}, shown = [], asked = [], kept = new Map(), opens = []
  const open = async (name) => {
    if (!kept.has(name)) kept.set(name, new Map())
    const cache = kept.get(name)
    return {
      addAll: async (list) => { for (const r of list) cache.set(new URL(r.url).pathname, new Response(r.url)) },
      put: async (path, response) => { cache.set(String(path), response) },
    }
  }
  const world = {
    URL, TextEncoder, TextDecoder, AbortSignal, AbortController, Response, Promise, console, setTimeout, clearTimeout, atob, btoa,
    crypto: webcrypto, indexedDB: new IDBFactory(), Intl, Uint8Array, // those of here, so that keys and their bytes are of one kind
    Request: class extends Request { constructor(url, init) { super(new URL(url, home), init) } },
    Date: class extends Date { static now() { return now * 1000 } },
    location: { origin: home }, navigator: { languages: [language] },
    registration: {
      scope: home + scope, showNotification: async (title, options) => { shown.push({ title, ...options }) },
      pushManager: { subscribe: async (options) => ({ toJSON: () => ({ endpoint: 'https://push.test/2', keys: { p256dh: 'P', auth: String(options.userVisibleOnly && options.applicationServerKey) } }) }) },
    },
    caches: { open, has: async (n) => kept.has(n), keys: async () => [...kept.keys()], delete: async (n) => kept.delete(n), match: async (path, { cacheName }) => kept.get(cacheName)?.get(path) },
    clients: { claim: async () => {}, matchAll: async () => windows, openWindow: async (url) => { opens.push(url) } },
    skipWaiting: () => { world.skipped = true },
    addEventListener: (type, fn) => { listeners[type] = fn },
    fetch: async (what, init = {}) => {
      const url = new URL(what.url ?? what, home)
      asked.push({ url: url.href, ...init })
      const answer = answers[url.href] ?? answers[url.pathname]
      if (!answer) throw new TypeError('nobody answers ' + url)
      return answer(init)
    },
  }
  world.self = world
  vm.runInNewContext(source, world)
  // fire sends an event, and waits for what it asks the browser to wait for.
  const fire = async (type, event = {}) => {
    let wait, answer
    listeners[type]({ waitUntil: (p) => { wait = p }, respondWith: (p) => { answer = p }, ...event })
    await wait
    return answer
  }
  return { world, fire, shown, asked, kept, opens, push: (message) => fire('push', { data: { json: () => JSON.parse(message) } }) }
}

// holds keeps an account in the phone.
async function holds({ world }, more = {}) {
  const a = { id: 'a', issuer: home, device, name: 'anna', site: 'Klinikum Nord', state: 'active', offset: 0, at: 1, vapid: 'BPv_AA', codes: await codeKey('GEZDGNBVGY3TQOJQ'), ...await keyOf(), ...more }
  const db = await new Promise((done) => {
    const r = world.indexedDB.open('hilum', 1)
    r.onupgradeneeded = () => r.result.createObjectStore('accounts', { keyPath: 'id' })
    r.onsuccess = () => done(r.result)
  })
  const tx = db.transaction('accounts', 'readwrite')
  tx.objectStore('accounts').put(a)
  await new Promise((done) => { tx.oncomplete = done })
  return () => new Promise((done) => {
    const r = db.transaction('accounts').objectStore('accounts').get('a')
    r.onsuccess = () => done(r.result)
  })
}

const pages = { '/app/': () => new Response(`<script src="/static/${version}/app/main.js">`), '/app/scan': () => new Response(`/static/${version}/`) }
const { cid } = vectors.challenges[0]
const doc = vectors.challenges[0].doc.replace(vectors.issuer, home)
const asks = { [home + '/device/v1/challenges']: () => json({ challenges: [{ cid, doc }], server_time: now }) }

test('a version is kept whole, in the language of the phone and English', async () => {
  const p = phone({ answers: pages })
  await p.fire('install')
  const [[name, cache]] = p.kept
  assert.match(name, new RegExp(`^hilum-app-${version}-`))
  const files = [...cache.keys()]
  for (const there of ['/app/', '/app/scan', ...['main.js', 'notes.nl.js', 'words.nl.js', 'notes.en.js', 'words.en.js'].map((f) => `/static/${version}/app/${f}`)]) assert.ok(files.includes(there), there)
  assert.deepEqual(files.filter((f) => /\.(?:de|fr)\.js$/.test(f)), [])
})

test('a page of another version is not kept with it', async () => {
  const p = phone({ answers: { ...pages, '/app/scan': () => new Response('/static/another/app/scanpage.js') } })
  await assert.rejects(p.fire('install'), /\/app\/scan/)
})

test('below the app\'s scope nothing is kept and nothing is answered for', async () => {
  const p = phone({ scope: '/app/at/abc/', answers: pages })
  await p.fire('install')
  assert.equal(p.kept.size, 0)
  assert.equal(await p.fire('fetch', { request: { url: home + '/app/', method: 'GET', mode: 'navigate' } }), undefined)
})

test('the version before is let go when this one begins', async () => {
  const p = phone({ answers: pages })
  await p.world.caches.open('hilum-app-before')
  await p.world.caches.open('of somebody else')
  await p.fire('install')
  await p.fire('activate')
  assert.deepEqual([...p.kept.keys()].filter((n) => !n.includes(version)), ['of somebody else'])
})

test('it takes over when a page says so, and only then', async () => {
  const p = phone()
  await p.fire('message', { data: 'look' })
  assert.equal(p.world.skipped, undefined)
  await p.fire('message', { data: 'take over' })
  assert.equal(p.world.skipped, true)
})

test('every push shows something, in the language of the phone', async () => {
  for (const [message, title, body] of [
    ['{"t":"test"}', 'Test', 'Meldingen komen op dit toestel aan.'], ['{"t":"changed"}', 'Uw toestellen zijn gewijzigd', 'Er is er een gekoppeld of ontkoppeld. Open om te kijken.'],
    ['{"t":"gone","c":"1"}', 'Aanmeldverzoek', 'Niets te doen: het is al beantwoord.'], ['{"t":"login","c":"1"}', 'Aanmeldverzoek', 'Open om te antwoorden.'],
    ['{}', 'Aanmeldverzoek', 'Open om te antwoorden.'], ['null', 'Aanmeldverzoek', 'Open om te antwoorden.'], ['no JSON', 'Aanmeldverzoek', 'Open om te antwoorden.'],
    ['{"t":"later","notification":{"title":"A","body":"B"}}', 'A', 'B'],
  ]) {
    const p = phone()
    await p.push(message)
    assert.deepEqual(p.shown.map((n) => [n.title, n.body, n.lang]), [[title, body, 'nl']], message)
  }
  const german = phone({ language: 'de-AT' })
  await german.fire('push', { data: null })
  assert.equal(german.shown[0].title, 'Anmeldeanfrage')
})

test('a request is asked for at the site, and shown with what the site says', async () => {
  const p = phone({ answers: asks })
  await holds(p)
  await p.push(JSON.stringify({ t: 'login', c: cid }))
  const [{ title, body, tag, data, actions }] = p.shown
  assert.deepEqual([title, body, tag], ['Aanmelden bij Thorax Viewer «Ü»?', 'anna bij Klinikum Nord', cid])
  assert.deepEqual([data.cid, data.id, data.text], [cid, 'a', doc])
  assert.deepEqual(Array.from(actions, (x) => x.action), ['open', 'deny'])
  const { head, claims } = await opened(p.asked[0].body)
  assert.deepEqual([head.typ, head.kid, claims.iat], ['list+jwt', device, now])
})

test('a push that names an account asks for that one alone', async () => {
  // The tag of the examples' key, as the provider tells it in the exchange that is written down.
  const [, tag] = /"tag":"([\w-]{16})"/.exec(readFileSync(new URL('../../docs/device-protocol.md', import.meta.url), 'utf8'))
  const named = { id: 'named', device: 'of the tag', name: 'bert' }
  const other = await webcrypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign'])
  const { x, y } = await webcrypto.subtle.exportKey('jwk', other.publicKey)
  const unnamed = { key: other.privateKey, x, y }
  const gone = { [home + '/device/v1/challenges']: () => json({ error: 'unlinked' }, 410) }
  for (const [a, answers, body, devices] of [
    [tag, asks, 'bert bij Klinikum Nord', ['of the tag']],
    ['another-tag-0000', asks, 'anna bij Klinikum Nord', [device, 'of the tag']],
    [tag.slice(1), asks, 'anna bij Klinikum Nord', [device, 'of the tag']],
    [undefined, asks, 'anna bij Klinikum Nord', [device, 'of the tag']],
    [tag, gone, 'bert bij Klinikum Nord is ontkoppeld.', ['of the tag']],
  ]) {
    const p = phone({ answers })
    await holds(p, unnamed)
    await holds(p, named)
    await p.push(JSON.stringify({ t: 'login', a, c: cid }))
    const asked = p.asked.map((r) => JSON.parse(Buffer.from(r.body.split('.')[0], 'base64url')).kid)
    assert.deepEqual([p.shown[0].body, asked.sort()], [body, devices.sort()], String(a))
  }
  const last = phone({ answers: gone })
  await holds(last, unnamed)
  await holds(last, named)
  await last.push(JSON.stringify({ t: 'changed', a: tag }))
  assert.deepEqual([last.shown[0].body, last.asked.length], ['bert bij Klinikum Nord is ontkoppeld.', 1])
})

test('a request that is not there any more, or of a newer kind, cannot be denied from here', async () => {
  const gone = phone({ answers: { [home + '/device/v1/challenges']: () => json({ challenges: [], server_time: now }) } })
  await holds(gone)
  await gone.push(JSON.stringify({ t: 'login', c: cid }))
  assert.equal(gone.shown[0].body, 'Niets te doen: het is al beantwoord.')
  const newer = phone({ answers: { [home + '/device/v1/challenges']: () => json({ challenges: [{ cid, doc: '{"v":2}' }], server_time: now }) } })
  await holds(newer)
  await newer.push(JSON.stringify({ t: 'login', c: cid }))
  assert.equal(newer.shown[0].body, 'Open de app om ze bij te werken.')
  assert.equal(newer.shown[0].actions, undefined)
})

test('a phone that was unlinked forgets its keys', async () => {
  const p = phone({ answers: { [home + '/device/v1/challenges']: () => json({ error: 'unlinked' }, 410) } })
  const there = await holds(p)
  await p.push(JSON.stringify({ t: 'login', c: cid }))
  assert.equal(p.shown[0].body, 'anna bij Klinikum Nord is ontkoppeld.')
  const { state, key, codes } = await there()
  assert.deepEqual([state, key, codes], ['unlinked', null, null])
})

test('a phone that took its own place forgets the keys of before, and says nothing of it', async () => {
  for (const [moved, said] of [['next', 'Niets te doen: het is al beantwoord.'], ['lost again', 'anna bij Klinikum Nord is ontkoppeld.']]) {
    const p = phone({ answers: { [home + '/device/v1/challenges']: (r) => JSON.parse(Buffer.from(r.body.split('.')[0], 'base64url')).kid === 'the next' ? json({ challenges: [], server_time: now }) : json({ error: 'unlinked' }, 410) } })
    const there = await holds(p, { moved })
    await holds(p, { id: 'next', device: 'the next' })
    await p.push(JSON.stringify({ t: 'login', c: cid }))
    assert.equal(p.shown[0].body, said)
    const { state, key, codes } = await there()
    assert.deepEqual([state, key, codes], ['unlinked', null, null])
  }
})

test('each site has a registration of its own, which asks nobody else', async () => {
  const { issuer } = vectors, scope = '/app/at/' + (await digest(issuer)).slice(0, 16) + '/'
  const answers = { [issuer + '/device/v1/challenges']: () => json({ challenges: [vectors.challenges[0]], server_time: now }) }
  for (const [at, body, asked] of [[scope, 'anna bij Klinikum Nord', 1], ['/app/', 'Open om te antwoorden.', 0], ['/app/at/another/', 'Open om te antwoorden.', 0]]) {
    const p = phone({ answers, scope: at })
    await holds(p, { issuer })
    await p.push(JSON.stringify({ t: 'login', c: cid }))
    assert.equal(p.shown[0].body, body, at)
    assert.equal(p.asked.length, asked, at)
  }
})

test('a provider beneath a path has its own registration, and keeps nothing of another on the host', async () => {
  const issuer = home + '/login'
  for (const [scope, asked] of [['/login/app/', 1], ['/app/', 0], ['/other/app/', 0]]) {
    const p = phone({ scope, answers: { [issuer + '/device/v1/challenges']: () => json({ challenges: [], server_time: now }) } })
    await holds(p, { issuer, site: 'Klinikum' })
    await p.push(JSON.stringify({ t: 'changed' }))
    assert.equal(p.asked.length, asked, scope)
    await p.fire('notificationclick', { notification: { close() {}, data: { cid } } })
    assert.deepEqual(p.opens, [scope + '#c=' + cid])
  }
})

test('a request is denied from its notification', async () => {
  const p = phone({ answers: { [home + '/device/v1/answer']: () => json({ state: 'denied' }) } })
  await holds(p)
  const notification = { close() {}, data: { cid, id: 'a', text: doc } }
  await p.fire('notificationclick', { action: 'deny', notification })
  const { head, claims } = await opened(p.asked[0].body)
  assert.deepEqual([head.typ, claims.decision, claims.cid, claims.ch], ['answer+jwt', 'deny', cid, await digest(doc)])
  assert.deepEqual(p.shown, [])
})

test('a denial that did not get through is said', async () => {
  for (const [answer, more] of [[undefined], [() => json({}, 500)], [() => json({ state: 'denied' }), { id: 'another' }]]) {
    const p = phone({ answers: { [home + '/device/v1/answer']: answer } })
    await holds(p)
    await p.fire('notificationclick', { action: 'deny', notification: { close() {}, data: { cid, id: 'a', text: doc, ...more } } })
    assert.deepEqual(p.shown.map((n) => n.body), ['Weigeren lukte van hieruit niet. Open de app.'])
  }
  const late = phone({ answers: { [home + '/device/v1/answer']: () => json({ error: 'expired' }, 410) } })
  await holds(late)
  await late.fire('notificationclick', { action: 'deny', notification: { close() {}, data: { cid, id: 'a', text: doc } } })
  assert.deepEqual(late.shown, [])
})

test('a tap brings the app to the front, or opens it at the request', async () => {
  const said = []
  const p = phone({ windows: [{ url: 'https://home.test/account' }, { url: 'https://home.test/app/', postMessage: (m) => said.push(m), focus: async () => said.push('focus') }] })
  await p.fire('notificationclick', { action: '', notification: { close() {}, data: { cid: 'a b' } } })
  assert.deepEqual(said, ['look', 'focus'])
  const none = phone()
  await none.fire('notificationclick', { action: 'deny', notification: { close() {}, data: { cid: 'a b' } } })
  await none.fire('notificationclick', { action: '', notification: { close() {}, data: null } })
  assert.deepEqual(none.opens, ['/app/#c=a%20b', '/app/'])
})

test('a subscription that the browser gave up is made anew, by the key of the site, and the site told', async () => {
  const p = phone({ answers: { [home + '/device/v1/push']: () => new Response(null, { status: 204 }) } })
  const there = await holds(p)
  await p.fire('pushsubscriptionchange')
  const address = { type: 'webpush', endpoint: 'https://push.test/2', p256dh: 'P', auth: '4,251,255,0' }
  assert.deepEqual((await opened(p.asked[0].body)).claims.push, address)
  assert.deepEqual(JSON.parse((await there()).push), address)
})

test('only the app\'s own pages and files are answered for', async () => {
  const p = phone({ answers: pages })
  await p.fire('install')
  const asked = (path, more = {}) => p.fire('fetch', { request: { url: new URL(path, home).href, method: 'GET', mode: 'cors', ...more } })
  assert.ok(await asked('/app/', { mode: 'navigate' }))
  assert.ok(await asked(`/static/${version}/app/main.js`))
  for (const [path, more] of [['/account', { mode: 'navigate' }], ['/app/manifest.webmanifest'], [`/static/${version}/css/hilum.css`], ['/device/v1/site'], ['/app/', { method: 'POST' }], ['https://elsewhere.test/app/', { mode: 'navigate' }]]) {
    assert.equal(await asked(path, more), undefined, path)
  }
})
