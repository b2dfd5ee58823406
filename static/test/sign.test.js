import assert from 'node:assert/strict'
import { test } from 'node:test'
import { clock, keyOf, opened, vectors } from './browser.js'
import { b64url, codeAt, codeKey, digest, envelope, makeKey, randomId, seconds, signs } from '../app/sign.js'

test('envelopes are those of the examples', async (t) => {
  clock(t, vectors.now)
  const a = { issuer: vectors.issuer, device: vectors.device, ...await keyOf() }
  for (const { operation, jti, claims, jws } of vectors.envelopes) {
    const want = await opened(jws)
    assert.equal(want.claims.jti, jti)
    const got = await opened(await envelope(a, operation, claims))
    assert.match(got.claims.jti, /^[\w-]{22}$/)
    got.claims.jti = jti
    assert.deepEqual(got, want, operation)
  }
})

test('no two envelopes are the same request', async () => {
  const a = { issuer: vectors.issuer, device: vectors.device, ...await keyOf() }
  const seen = new Set()
  for (let i = 0; i < 50; i++) seen.add((await opened(await envelope(a, 'list', {}))).claims.jti)
  assert.equal(seen.size, 50)
})

test('an envelope has the time of its site', async (t) => {
  clock(t, 1000.9)
  const a = { issuer: vectors.issuer, device: vectors.device, offset: -600, ...await keyOf() }
  assert.equal((await opened(await envelope(a, 'list', {}))).claims.iat, 400)
  assert.equal(seconds(a), 400)
  assert.equal(seconds({}), 1000)
})

test('codes are those of the examples', async () => {
  for (const { secret, digits, period, at, code } of vectors.codes) {
    assert.equal(await codeAt({ codes: await codeKey(secret), digits, period }, at), code)
    assert.equal(await codeAt({ codes: await codeKey(secret.toLowerCase()), digits, period }, at), code)
  }
})

test('a secret with a letter that is none is refused', async () => {
  for (const secret of ['GEZDGNBVGY3TQOJ1', 'GEZD GNBV', 'GEZD====']) await assert.rejects(codeKey(secret))
})

test('what was shown has the digest of the examples', async () => {
  for (const { doc, ch, why } of vectors.challenges) assert.equal(await digest(doc), ch, why)
})

test('keys sign, and cannot be taken away', async () => {
  const made = await makeKey()
  assert.equal(made.key.extractable, false)
  await assert.rejects(crypto.subtle.exportKey('jwk', made.key))
  assert.equal(await signs(made), true)
  const codes = await codeKey('GEZDGNBVGY3TQOJQ')
  assert.equal(codes.extractable, false)
  await assert.rejects(crypto.subtle.exportKey('raw', codes))
})

test('a key that is lost, or another one, is found out', async () => {
  const one = await makeKey(), other = await makeKey()
  assert.equal(await signs({ ...one, key: null }), false)
  assert.equal(await signs({ ...one, key: other.key }), false)
  assert.equal(await signs({ ...one, x: '', y: '' }), false)
})

test('base64url is without what URLs do not take', () => {
  assert.equal(b64url(new Uint8Array([251, 255, 191])), '-_-_')
  assert.equal(b64url(new Uint8Array([1])), 'AQ')
  assert.equal(b64url(new Uint8Array([1, 2]).buffer), 'AQI')
  assert.match(randomId(), /^[\w-]{22}$/)
})
