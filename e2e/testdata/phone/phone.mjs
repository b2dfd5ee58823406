// A phone in another language, written from docs/device-protocol.md alone and from what
// Node.js has built in. It reads one command a line, JSON with "do", and prints one line of
// JSON for each, and one more for each event of a stream.

import { createHash, generateKeyPairSync, randomBytes, sign } from 'node:crypto'
import { createInterface } from 'node:readline'

const b64 = (x) => Buffer.from(x).toString('base64url')
const print = (o) => process.stdout.write(JSON.stringify(o) + '\n')

let issuer, device, second, skew = 0, keys = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const streams = {}

// jwk is the public half as a header has it: nothing but what P-256 needs.
function jwk(of = keys) {
  const { kty, crv, x, y } = of.publicKey.export({ format: 'jwk' })
  return { kty, crv, x, y }
}

// The issuer of a link: its scheme is https, http for a loopback host.
function issuerOf(idp) {
  const loopback = /^(localhost|127(\.\d+){3})(:\d+)?(\/.*)?$/.test(idp)
  return (loopback ? 'http' : 'https') + '://' + idp
}

// envelope signs a request. header and claims replace what would stand there; null takes it away.
function envelope(typ, claims, { header = {}, der = false, uv = false } = {}) {
  const who = typ === 'pair' ? { jwk: jwk() } : { kid: device + (uv ? '#uv' : '') }
  const bare = (o) => Object.fromEntries(Object.entries(o).filter(([, v]) => v !== undefined))
  const head = bare({ alg: 'ES256', typ: typ + '+jwt', ...who, ...header })
  const body = bare({ aud: issuer, iat: Math.floor(Date.now() / 1000) + skew, jti: b64(randomBytes(16)), ...claims })
  const text = b64(JSON.stringify(head)) + '.' + b64(JSON.stringify(body))
  return text + '.' + b64(sign('sha256', Buffer.from(text), { key: (uv ? second : keys).privateKey, dsaEncoding: der ? 'der' : 'ieee-p1363' }))
}

async function read(res) {
  const text = await res.text()
  return { status: res.status, type: res.headers.get('content-type') ?? '', retry: res.headers.get('retry-after') ?? '', body: text ? JSON.parse(text) : null }
}

async function post(path, body, type = 'application/jose') {
  return read(await fetch(issuer + '/device/v1/' + path, { method: 'POST', headers: { 'Content-Type': type }, body }))
}

// listen reads an event stream (WHATWG HTML, section 9.2) and prints its events.
async function listen(n) {
  const stop = new AbortController()
  const res = await fetch(issuer + '/device/v1/listen', { headers: { Authorization: 'Device ' + envelope('listen', {}) }, signal: stop.signal })
  if (res.status !== 200) return read(res)
  streams[n] = stop
  const follow = async () => {
    let rest = '', name = '', data = []
    try {
      for await (const piece of res.body.pipeThrough(new TextDecoderStream())) {
        const lines = (rest + piece).split(/\r\n|\n|\r/)
        rest = lines.pop()
        for (const line of lines) {
          if (line === '') {
            if (data.length) print({ stream: n, event: name || 'message', data: JSON.parse(data.join('\n')) })
            name = ''
            data = []
          } else if (!line.startsWith(':')) {
            const at = line.indexOf(':')
            const field = at < 0 ? line : line.slice(0, at)
            const value = at < 0 ? '' : line.slice(at + 1).replace(/^ /, '')
            if (field === 'event') name = value
            if (field === 'data') data.push(value)
          }
        }
      }
    } catch { /* it was stopped */ }
    print({ stream: n, event: 'end', data: {} })
  }
  follow() // ends with the stream, or with the program
  return { status: res.status, type: res.headers.get('content-type') ?? '', body: null }
}

const acts = {
  site: async ({ idp, issuer: at }) => {
    issuer = at ?? issuerOf(idp)
    return read(await fetch(issuer + '/device/v1/site'))
  },
  // pair links by what the QR code says, as far as the question.
  pair: async ({ link, issuer: at, as = {}, claims = {}, uv }) => {
    const u = new URL(link)
    if (u.protocol !== 'otpauth:') throw new Error('not such a link')
    issuer = at ?? issuerOf(u.searchParams.get('idp'))
    if (uv) second = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const got = await post('pair', envelope('pair', { pair: u.searchParams.get('pair'), name: 'Fairphone', platform: 'android', app: 'stranger/1', push: null, uv_jwk: second && jwk(second), ...claims }, as))
    if (got.status === 200) device = got.body.device_id
    return got
  },
  list: ({ wait, as, claims }) => post('challenges', envelope('list', { wait, ...claims }, as)),
  answer: ({ challenge, decision, reason, number, claims, uv }) =>
    post('answer', envelope('answer', { cid: challenge.cid, ch: b64(createHash('sha256').update(challenge.doc, 'utf8').digest()), decision, reason, number, ...claims }, { uv })),
  push: ({ push }) => post('push', envelope('push', { push })),
  rename: ({ name }) => post('rename', envelope('rename', { name })),
  unpair: () => post('unpair', envelope('unpair', {})),
  listen: ({ n }) => listen(n),
  stop: ({ n }) => { streams[n].abort(); return { status: 0 } },
  // raw sends something else than the page says, to hear the error.
  raw: ({ path, typ, as, claims, type, twice, size }) => {
    let body = typ ? envelope(typ, claims ?? {}, as) : 'x'.repeat(size ?? 1)
    return twice ? post(path, body, type).then(() => post(path, body, type)) : post(path, body, type)
  },
  get: async ({ path }) => read(await fetch(issuer + '/device/v1/' + path)),
  clock: ({ seconds }) => { skew = seconds; return { status: 0 } },
}

for await (const line of createInterface({ input: process.stdin })) {
  const c = JSON.parse(line)
  let got
  try { got = await acts[c.do](c) } catch (err) { got = { status: -1, fault: String(err) } }
  print({ done: c.do, ...got })
}
for (const s of Object.values(streams)) s.abort()
