// What the app keeps: its accounts, in IndexedDB, shared with the service worker.
// Keys are kept as CryptoKey objects that cannot be exported: whatever runs here
// may use them, and nothing can take them away.

/**
 * What is kept of an account from the moment that its key is made.
 * @typedef {object} Begun
 * @property {string} id      ours, by which it is kept
 * @property {string} issuer  the site's URL, letter for letter
 * @property {string} site    the site's name
 * @property {string} name    the user name
 * @property {State} state
 * @property {number} offset  seconds that the site's clock is ahead of ours
 * @property {number} at      when it was begun, in milliseconds since 1970
 * @property {CryptoKey} key  signs, and cannot be exported
 * @property {string} x       of the public key, in base64url
 * @property {string} y
 * @property {Second} [uv]    the second key, which signs after the phone has verified its person
 *
 * pairing: the site has not heard of it, as far as we know. pending: it waits for the
 * person's Login. unknown: the site does not know the device. unlinked: it has said so.
 * @typedef {'pairing' | 'pending' | 'active' | 'unknown' | 'unlinked'} State
 *
 * What the site adds when it is paired with.
 * @typedef {object} Linked
 * @property {string} device    the site's name for this phone, the kid of envelopes
 * @property {string} vapid     the key of the site's pushes (RFC 8292), empty for none
 * @property {CryptoKey} codes  makes the codes, and cannot be exported
 * @property {number} digits    of a code
 * @property {number} period    seconds that a code is good for
 *
 * What comes and goes. silent: the site has no address to push to. trouble is why the
 * site is not reached now, and kept for nobody.
 * @typedef {object} Further
 * @property {string} [phone]  what the site calls this phone
 * @property {string} [push]   the address that the site has, as JSON
 * @property {boolean} [silent]
 * @property {'' | 'offline' | 'server'} [trouble]
 * @property {boolean} [tapped]  pending, and Login was said: the rest is done in the browser
 * @property {string} [moved]    the account, linked on this phone, that takes the place of this one
 * @property {string} [back]     path of the page in this browser that it was begun from
 *
 * The public coordinates of a second key, and its private half, encrypted (lock.js).
 * @typedef {{ x: string, y: string, sealed: Sealed }} Second
 * @typedef {{ by: JsonWebKey, key: ArrayBuffer }} Sealed
 *
 * An account that is linked, or waits for the tap that links it.
 * @typedef {Begun & Linked & Further} Account
 *
 * What may change. An account that was unlinked loses its keys at once.
 * @typedef {Partial<Omit<Account, 'key' | 'codes'>> & { key?: CryptoKey | null, codes?: CryptoKey | null }} Changes
 *
 * What a page says to the service worker, and the worker to a page: to run from now on in
 * place of the one before; to look for questions.
 * @typedef {'take over'} ToWorker
 * @typedef {'look'} ToPage
 */

const base = 'hilum'

/** @type {Promise<IDBDatabase> | undefined} */
let opened
function open() {
  opened ??= new Promise((resolve, reject) => {
    const r = indexedDB.open(base, 1)
    r.onupgradeneeded = () => { r.result.createObjectStore('accounts', { keyPath: 'id' }) }
    r.onerror = () => { opened = undefined; reject(r.error) }
    r.onsuccess = () => {
      const forget = () => { opened = undefined }
      // Somebody clears the site's data: let go, and begin anew.
      r.result.onversionchange = () => { r.result.close(); forget() }
      r.result.onclose = forget
      resolve(r.result)
    }
  })
  return opened
}

/**
 * @template T
 * @param {IDBTransactionMode} mode
 * @param {(accounts: IDBObjectStore) => IDBRequest<T>} fn
 * @returns {Promise<T>}
 */
async function run(mode, fn) {
  const db = await open()
  return new Promise((resolve, reject) => {
    const tx = db.transaction('accounts', mode)
    const r = fn(tx.objectStore('accounts'))
    tx.oncomplete = () => resolve(r.result)
    tx.onabort = () => reject(tx.error)
  })
}

/** @type {() => Promise<Account[]>} */
export const kept = () => run('readonly', (s) => s.getAll())
/** @type {(id: string) => Promise<Account | undefined>} */
export const keptOne = (id) => run('readonly', (s) => s.get(id))
/** @param {Begun} a */
export const keep = (a) => run('readwrite', (s) => s.put(a))
/** @param {string} id */
export const drop = (id) => run('readwrite', (s) => s.delete(id))

// moved reports whether another account of the list has taken the place of a.
/** @param {Account} a @param {Account[]} list */
export const moved = (a, list) => list.some((b) => b.id === a.moved)

// change sets some of an account, in one transaction: page and worker both do.
/** @param {{ id: string }} a @param {Changes} fields */
export async function change(a, fields) {
  Object.assign(a, fields)
  await run('readwrite', (s) => {
    const r = s.get(a.id)
    r.onsuccess = () => { if (r.result) s.put(Object.assign(r.result, fields)) }
    return r
  })
}
