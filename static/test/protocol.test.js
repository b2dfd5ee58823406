import assert from 'node:assert/strict'
import { beforeEach, test } from 'node:test'
import { clock, json, keyOf, opened, site, vectors } from './browser.js'
import { drop, keep, kept, keptOne } from '../app/store.js'
import * as protocol from '../app/protocol.js'

const { Fault, readDoc, readLink, siteOf } = protocol
const { issuer, device, now } = vectors

// fails is what a fault has to be.
const fails = (code, more = {}) => (fault) => {
  assert.ok(fault instanceof Fault, String(fault))
  assert.equal(fault.code, code)
  for (const [name, value] of Object.entries(more)) assert.equal(fault[name], value, name)
  return true
}

let a
beforeEach(async () => {
  for (const { id } of await kept()) await drop(id)
  a = { id: 'a', issuer, device, name: 'anna', site: 'Klinikum Nord', state: 'active', offset: 0, at: 1, ...await keyOf() }
  await keep(a)
})

test('links are read as the examples say', () => {
  for (const { why, text, label, account, issuer: at, pair, fault } of vectors.links) {
    if (fault) assert.throws(() => readLink(text), fails(fault), why)
    else assert.deepEqual(readLink(text), { issuer: at, site: label, name: account, pair }, why)
  }
})

test('a link without the name of the site has it in front of the account', () => {
  const { text, label, account } = vectors.links[0]
  const { site: name, name: user } = readLink(text.replace(/&issuer=[^&]*/, ''))
  assert.deepEqual([name, user], [label, account])
})

test('links that are longer than ours are of others', () => {
  const { text } = vectors.links[0]
  assert.throws(() => readLink(text + '&x=' + 'y'.repeat(300)), fails('foreign'))
  assert.throws(() => readLink(text.replace('anna', 'a'.repeat(200))), fails('foreign'))
})

test('addresses of sites, as people write them', () => {
  for (const [typed, want] of [
    ['sso.klinik.test', 'https://sso.klinik.test'], [' SSO.Klinik.test ', 'https://sso.klinik.test'], ['https://sso.klinik.test/', 'https://sso.klinik.test'],
    ['sso.klinik.test/app/', 'https://sso.klinik.test'], ['sso.klinik.test/app', 'https://sso.klinik.test'], ['http://sso.klinik.test', 'https://sso.klinik.test'],
    ['sso.klinik.test:8443/idp', 'https://sso.klinik.test:8443/idp'], ['localhost:8080', 'http://localhost:8080'], ['127.0.0.1:8080', 'http://127.0.0.1:8080'],
    ['127.1.2.3', 'http://127.1.2.3'], ['127.0.0.1.evil.test', 'https://127.0.0.1.evil.test'], ['localhost.evil.test', 'https://localhost.evil.test'],
  ]) assert.equal(siteOf(typed), want, typed)
  for (const typed of ['', 'a b', 'sso.klinik.test?x', 'sso.klinik.test#x', 'me@sso.klinik.test', 'klinik.test\\x', '[::1]', 'klinik.test:99999', 'ünï.test']) {
    assert.throws(() => siteOf(typed), fails('address'), typed)
  }
})

test('questions may be approved as the examples say', (t) => {
  clock(t, now)
  for (const { why, cid, doc, fault } of vectors.challenges) {
    if (fault) assert.throws(() => readDoc({ issuer }, cid, doc), fails(fault), why)
    else assert.equal(readDoc({ issuer }, cid, doc).account, 'anna', why)
  }
})

test('a question is too old by the clock of its site', (t) => {
  clock(t, now)
  const { cid, doc } = vectors.challenges[0] // good for 115 seconds
  assert.throws(() => readDoc({ issuer, offset: 115 }, cid, doc), fails('stale'))
  assert.ok(readDoc({ issuer, offset: 114 }, cid, doc))
})

test('what cannot be shown is not approved', (t) => {
  clock(t, now)
  const { cid, doc } = vectors.challenges[0]
  const but = (more) => () => readDoc({ issuer }, cid, JSON.stringify({ ...JSON.parse(doc), ...more }))
  for (const match of [
    undefined, {}, { mode: 'type' }, { mode: 'type', len: 0 }, { mode: 'type', len: 9 }, { mode: 'pick' }, { mode: 'pick', choices: ['14'] }, { mode: 'pick', choices: '14' },
    { mode: 'pick', choices: ['14', '5x'] }, { mode: 'pick', choices: ['14', '123456789'] },
  ]) assert.throws(but({ match }), fails('newer'), JSON.stringify(match))
  assert.throws(but({ purpose: 'transfer' }), fails('newer'))
  for (const must of [['hologram'], ['uv'], 'uv', {}, 7]) assert.throws(but({ must }), fails('newer'), JSON.stringify(must))
  assert.ok(but({ must: [] })())
})

test('a fingerprint is understood by an account that has a second key, and nothing beside it', (t) => {
  clock(t, now)
  const { cid, doc } = vectors.challenges[0]
  const of = (must) => () => readDoc({ issuer, uv: { x: 'x', y: 'y', sealed: {} } }, cid, JSON.stringify({ ...JSON.parse(doc), must }))
  assert.ok(of(['uv'])())
  for (const must of [['uv', 'hologram'], 'uv', {}, [['uv']]]) assert.throws(of(must), fails('newer'), JSON.stringify(must))
})

test('an answer by the second key names it, and is signed by it alone', async (t) => {
  clock(t, now)
  const { cid, doc } = vectors.challenges[0]
  const pair = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign', 'verify'])
  const { x, y } = await crypto.subtle.exportKey('jwk', pair.publicKey)
  const asked = site([json({ state: 'approved' })])
  await protocol.answer(a, { cid, text: doc }, { decision: 'approve' }, pair.privateKey)
  const { head, claims } = await opened(asked[0].body, { x, y })
  assert.deepEqual([head.typ, head.kid, claims.decision], ['answer+jwt', device + '#uv', 'approve'])
})

test('requests are signed, without cookies, and not kept', async (t) => {
  clock(t, now)
  const asked = site([json({ challenges: [], server_time: now })])
  await protocol.questions(a, 25)
  assert.equal(asked[0].url, issuer + '/device/v1/challenges')
  const { method, headers, credentials, cache, redirect, referrerPolicy } = asked[0]
  assert.deepEqual({ method, headers, credentials, cache, redirect, referrerPolicy },
    { method: 'POST', headers: { 'Content-Type': 'application/jose' }, credentials: 'omit', cache: 'no-store', redirect: 'error', referrerPolicy: 'no-referrer' })
  const { head, claims } = await opened(asked[0].body)
  assert.deepEqual([head.typ, head.kid, claims.aud, claims.wait], ['list+jwt', device, issuer, 25])
})

test('a clock that is off is learnt, kept, and the request sent again once', async (t) => {
  clock(t, now)
  const asked = site([json({ error: 'clock_skew', server_time: now + 600 }, 401), json({ challenges: [], server_time: now + 600 })])
  await protocol.questions(a)
  assert.deepEqual(await Promise.all(asked.map(async (r) => (await opened(r.body)).claims.iat)), [now, now + 600])
  assert.notEqual((await opened(asked[0].body)).claims.jti, (await opened(asked[1].body)).claims.jti)
  assert.equal(a.offset, 600)
  assert.equal((await keptOne('a')).offset, 600)
})

test('a clock that is still off is not tried a third time', async (t) => {
  clock(t, now)
  const skewed = () => json({ error: 'clock_skew', server_time: now + 600 }, 401)
  const asked = site([skewed, skewed, skewed])
  await assert.rejects(protocol.rename(a, 'Pixel'), fails('clock_skew', { time: now + 600 }))
  assert.equal(asked.length, 2)
})

test('a difference of seconds is the network\'s', async (t) => {
  clock(t, now)
  for (const [before, theirs, after] of [[0, now + 5, 0], [0, now - 5, 0], [0, now + 6, 6], [600, now + 603, 600], [600, now + 606, 606], [600, now + 3, 0]]) {
    a.offset = before
    site([json({ challenges: [], server_time: theirs })])
    await protocol.questions(a)
    assert.equal(a.offset, after, `${before}, ${theirs - now}`)
  }
})

test('what goes wrong has a name', async () => {
  for (const [answer, code, more] of [
    [json({ error: 'unlinked' }, 410), 'unlinked'], [json({ error: 'too_many', retry_after: 7 }, 429), 'too_many', { after: 7 }], [json({}, 500), 'server'],
    [new Response('<h1>Bad Gateway</h1>', { status: 502 }), 'server'], [new Response('not JSON'), 'server'], [new TypeError('Failed to fetch'), 'offline'],
  ]) {
    site([answer])
    await assert.rejects(protocol.questions(a), fails(code, more))
  }
})

test('what is answered without a body is taken', async () => {
  site([new Response(null, { status: 204 })])
  assert.equal(await protocol.setPush(a, null), null)
})

test('who a site is, it says of itself', async () => {
  site([json({ issuer, site: 'Klinikum Nord', vapid_key: 'BK', server_time: now }), json({ issuer: 'https://elsewhere.test', site: 'X', server_time: now })])
  assert.equal((await protocol.about(issuer)).vapid_key, 'BK')
  await assert.rejects(protocol.about(issuer), fails('server'))
})

test('pairing gives an account its codes, its name and the site\'s clock', async (t) => {
  clock(t, now)
  const reply = {
    device_id: 'dev-1', state: 'pending', account: 'anna', issuer, site: 'Klinikum Nord', otp: { secret: vectors.codes[0].secret, digits: 8, period: 30 },
    challenge: { cid: 'c', doc: '{}' }, vapid_key: 'BK', server_time: now - 100,
  }
  const asked = site([json(reply), json({ ...reply, issuer: 'https://elsewhere.test' }), json({ ...reply, device_id: '' })])
  const { fields, challenge } = await protocol.pair(a, { pair: 'code' })
  const { codes, ...rest } = fields
  assert.deepEqual(rest, { device: 'dev-1', name: 'anna', site: 'Klinikum Nord', vapid: 'BK', state: 'pending', digits: 8, period: 30, offset: -100 })
  assert.equal(codes.extractable, false)
  assert.deepEqual(challenge, reply.challenge)
  const { head } = await opened(asked[0].body)
  assert.deepEqual([head.jwk.x, head.kid], [vectors.key.x, undefined])
  await assert.rejects(protocol.pair(a, { pair: 'code' }), fails('server'))
  await assert.rejects(protocol.pair(a, { pair: 'code' }), fails('server'))
})

test('an answer is about what was shown, and outlives the page', async (t) => {
  clock(t, now)
  const asked = site([json({ state: 'approved' })])
  const { cid, doc, ch } = vectors.challenges[2]
  assert.deepEqual(await protocol.answer(a, { cid, text: doc }, { decision: 'approve', number: '58' }), { state: 'approved' })
  const { head, claims } = await opened(asked[0].body)
  assert.deepEqual([head.typ, claims.cid, claims.ch, claims.decision, claims.number], ['answer+jwt', cid, ch, 'approve', '58'])
  assert.equal(asked[0].keepalive, true)
})

test('what must not be approved can be denied', async (t) => {
  clock(t, now)
  for (const { cid, doc, fault, why } of vectors.challenges.filter((c) => c.fault)) {
    const asked = site([json({ state: 'denied' })])
    await assert.rejects(protocol.answer(a, { cid, text: doc }, { decision: 'approve' }), fails(fault), why)
    assert.equal(asked.length, 0, why)
    await protocol.answer(a, { cid, text: doc }, { decision: 'deny', reason: 'not_me' })
    assert.equal((await opened(asked[0].body)).claims.reason, 'not_me')
  }
})

// streams answers with a stream that comes in pieces.
const streams = (...pieces) => new Response(new ReadableStream({
  start(c) {
    for (const p of pieces) c.enqueue(new TextEncoder().encode(p))
    c.close()
  },
}), { headers: { 'Content-Type': 'text/event-stream' } })

test('events are heard however the stream is cut', async () => {
  const said = ': hello\n\nevent: challenge\ndata: {"cid":"1",\ndata: "doc":"ü"}\n\nevent: later\ndata: not JSON\n\ndata: {}\n\nevent: gone\ndata: {"cid":"1","why":"expired"}\n\nevent: challenge\ndata: {"cid":"unfinished"'
  for (const pieces of [[said], [...said], said.match(/[^]{1,7}/g)]) {
    const asked = site([streams(...pieces)])
    const heard = []
    await protocol.listen(a, (name, data) => heard.push([name, data]), new AbortController().signal)
    assert.deepEqual(heard, [['challenge', { cid: '1', doc: 'ü' }], ['gone', { cid: '1', why: 'expired' }]])
    assert.equal(asked[0].url, issuer + '/device/v1/listen')
    const [scheme, jws] = asked[0].headers.Authorization.split(' ')
    assert.deepEqual([scheme, (await opened(jws)).head.typ], ['Device', 'listen+jwt'])
  }
})

test('a stream that breaks is offline, one that is refused says why', async () => {
  site([new Response(new ReadableStream({ start(c) { c.error(new Error('cut')) } })), json({ error: 'unlinked' }, 410)])
  await assert.rejects(protocol.listen(a, () => {}, new AbortController().signal), fails('offline'))
  await assert.rejects(protocol.listen(a, () => {}, new AbortController().signal), fails('unlinked'))
})

test('who listens can stop', async () => {
  site([(init) => new Response(new ReadableStream({ start(c) { init.signal.addEventListener('abort', () => c.error(new Error('aborted'))) } }))])
  const stop = new AbortController()
  const over = protocol.listen(a, () => {}, stop.signal)
  setTimeout(() => stop.abort(), 20)
  await assert.rejects(over, fails('offline'))
})

test('addresses and keys of pushes', () => {
  const bytes = new Uint8Array([4, 251, 255, 0])
  assert.deepEqual(protocol.vapidBytes('BPv_AA'), bytes)
  assert.equal(protocol.vapidOf({ options: { applicationServerKey: bytes.buffer } }), 'BPv_AA')
  assert.equal(protocol.vapidOf({ options: { applicationServerKey: null } }), '')
  assert.deepEqual(protocol.addressOf({ toJSON: () => ({ endpoint: 'https://push.test/1', expirationTime: null, keys: { p256dh: 'P', auth: 'A' } }) }),
    { type: 'webpush', endpoint: 'https://push.test/1', p256dh: 'P', auth: 'A' })
})
