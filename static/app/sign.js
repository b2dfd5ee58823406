// Keys, signatures and codes. Written for docs/device-protocol.md.

/**
 * The key of a device: its private half, which signs and cannot be exported, and the
 * coordinates of the public one in base64url (RFC 7518, section 6.2).
 * @typedef {{ key: CryptoKey, x: string, y: string }} Key
 *
 * Who signs an envelope: pairing names the key, everything after that the device.
 * offset is how many seconds the site's clock is ahead of ours.
 * @typedef {Key & { issuer: string, device?: string, offset?: number }} Signer
 *
 * What is signed beside the claims that every envelope has (docs/device-protocol.md).
 * @typedef {{ pair?: string, account?: string, short?: string, name?: string, platform?: string, app?: string, push?: Address | null,
 *   wait?: number, jkt?: string, replaces?: string, cid?: string, ch?: string, decision?: 'approve' | 'deny', uv_jwk?: ReturnType<typeof publicKey>, reason?: 'not_me' | 'mistake', number?: string }} Claims
 *
 * Where a push service reaches a phone (RFC 8030, keys of RFC 8291 in base64url).
 * @typedef {{ type: 'webpush', endpoint: string, p256dh: string, auth: string }} Address
 *
 * @typedef {'pair' | 'replace' | 'list' | 'listen' | 'answer' | 'push' | 'rename' | 'unpair'} Operation
 */

const utf8 = new TextEncoder()
/** @param {ArrayBuffer | Uint8Array} bytes */
export const b64url = (bytes) =>
  btoa(String.fromCharCode(...new Uint8Array(bytes))).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')
export const randomId = () => b64url(crypto.getRandomValues(new Uint8Array(16)))

const curve = { name: 'ECDSA', namedCurve: 'P-256' }
const ecdsa = { name: 'ECDSA', hash: 'SHA-256' }

// makeKey makes the key of a device. The private half never leaves the browser's
// own store, unless it is to be sealed; of the public one the coordinates are enough.
export async function makeKey(sealed = false) {
  const pair = await crypto.subtle.generateKey(curve, sealed, ['sign', 'verify'])
  const { x = '', y = '' } = await crypto.subtle.exportKey('jwk', pair.publicKey)
  return { key: pair.privateKey, x, y }
}

/** @param {Pick<Key, 'x' | 'y'>} a */
export const publicKey = (a) => ({ kty: 'EC', crv: 'P-256', x: a.x, y: a.y })

// signs reports whether an account's key is there and does its work. Browsers
// lose keys: that is found out before something is built on one.
/** @param {Key} a */
export async function signs(a) {
  try {
    const text = utf8.encode(randomId())
    const verify = await crypto.subtle.importKey('jwk', publicKey(a), curve, false, ['verify'])
    return await crypto.subtle.verify(ecdsa, verify, await crypto.subtle.sign(ecdsa, a.key, text), text)
  } catch {
    return false
  }
}

// seconds is the site's time, as far as it is known.
/** @param {{ offset?: number }} a */
export const seconds = (a) => Math.floor(Date.now() / 1000) + (a.offset ?? 0)

// envelope signs a request: a compact JWS. second is the second key of the device, which
// signs in the place of the first.
/** @param {Signer} a @param {Operation} typ @param {Claims} claims @param {CryptoKey} [second] */
export async function envelope(a, typ, claims, second) {
  const head = { alg: 'ES256', typ: typ + '+jwt', ...(typ === 'pair' ? { jwk: publicKey(a) } : { kid: a.device + (second ? '#uv' : '') }) }
  const body = { aud: a.issuer, iat: seconds(a), jti: randomId(), ...claims }
  const text = b64url(utf8.encode(JSON.stringify(head))) + '.' + b64url(utf8.encode(JSON.stringify(body)))
  return text + '.' + b64url(await crypto.subtle.sign(ecdsa, second ?? a.key, utf8.encode(text)))
}

/** @param {string} text */
export const digest = async (text) => b64url(await crypto.subtle.digest('SHA-256', utf8.encode(text)))

// thumbprint is a public key's name (RFC 7638).
/** @param {Pick<Key, 'x' | 'y'>} a */
export const thumbprint = (a) => digest(`{"crv":"P-256","kty":"EC","x":"${a.x}","y":"${a.y}"}`)

const base32 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'

// codeKey takes the secret of an account's codes. It becomes a key that cannot
// be exported: codes can be made here, and the secret not be read again.
/** @param {string} secret in base 32 */
export async function codeKey(secret) {
  const bytes = []
  let bits = 0, n = 0
  for (const c of secret.toUpperCase()) {
    const v = base32.indexOf(c)
    if (v < 0) throw new Error(c)
    n = (n << 5 | v) & 0xfff
    bits += 5
    if (bits >= 8) { bits -= 8; bytes.push(n >> bits & 0xff) }
  }
  return crypto.subtle.importKey('raw', new Uint8Array(bytes), { name: 'HMAC', hash: 'SHA-1' }, false, ['sign'])
}

// codeAt is the code of a moment, in seconds since 1970 (RFC 6238).
/** @param {{ codes: CryptoKey, digits: number, period: number }} a @param {number} at */
export async function codeAt(a, at) {
  const counter = new DataView(new ArrayBuffer(8))
  counter.setBigUint64(0, BigInt(Math.floor(at / a.period)))
  const sum = new DataView(await crypto.subtle.sign('HMAC', a.codes, counter.buffer))
  const n = sum.getUint32(sum.getUint8(sum.byteLength - 1) & 15) & 0x7fffffff
  return String(n % 10 ** a.digits).padStart(a.digits, '0')
}
