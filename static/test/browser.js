// What the modules of the app find in a browser and not in Node.js, as far as they need
// it, and the examples of the protocol.

import { readFileSync } from 'node:fs'
import { webcrypto } from 'node:crypto'
import { IDBFactory } from './fake-indexeddb/index.js'

// give puts something where a browser has it; Node.js has some of it, and more each year.
export function give(things) {
  for (const [name, value] of Object.entries(things)) Object.defineProperty(globalThis, name, { value, configurable: true, writable: true })
}

give({ crypto: webcrypto, indexedDB: new IDBFactory(), location: { origin: 'https://home.test' } })

export const vectors = JSON.parse(readFileSync(new URL('../../docs/device-protocol-vectors.json', import.meta.url), 'utf8'))

// keyOf is the key of the examples, as a phone keeps its own.
export async function keyOf({ key: { kty, crv, x, y, d } } = vectors) {
  return { x, y, key: await webcrypto.subtle.importKey('jwk', { kty, crv, x, y, d }, { name: 'ECDSA', namedCurve: 'P-256' }, false, ['sign']) }
}

const read = (part) => JSON.parse(Buffer.from(part, 'base64url').toString('utf8'))

// opened is what an envelope says. It throws when it is not signed by the key.
export async function opened(jws, { x, y } = vectors.key) {
  const [head, claims, signature] = jws.split('.')
  const key = await webcrypto.subtle.importKey('jwk', { kty: 'EC', crv: 'P-256', x, y }, { name: 'ECDSA', namedCurve: 'P-256' }, false, ['verify'])
  const right = await webcrypto.subtle.verify({ name: 'ECDSA', hash: 'SHA-256' }, key, Buffer.from(signature, 'base64url'), Buffer.from(head + '.' + claims))
  if (!right) throw new Error('a wrong signature')
  return { head: read(head), claims: read(claims) }
}

// site stands in for fetch: each request is noted, and answered by the next of the list:
// a Response, or what makes one, or an Error.
export function site(answers) {
  const asked = []
  give({
    fetch: async (url, init = {}) => {
      asked.push({ url: String(url), ...init })
      const next = answers.shift()
      const answer = typeof next === 'function' ? await next(init) : next
      if (answer instanceof Error) throw answer
      if (!answer) throw new Error('nobody answers ' + url)
      return answer
    },
  })
  return asked
}

export const json = (body, status = 200) => new Response(JSON.stringify(body), { status, headers: { 'Content-Type': status < 400 ? 'application/json' : 'application/problem+json' } })

// clock stops the time at a moment, in seconds since 1970, until the test is over.
export function clock(t, seconds) {
  t.mock.method(Date, 'now', () => seconds * 1000)
}
