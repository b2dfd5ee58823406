// What the app keeps: its accounts, in IndexedDB, shared with the service worker.
// Keys are kept as CryptoKey objects that cannot be exported: whatever runs here
// may use them, and nothing can take them away.

const base = 'hilum'

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

async function run(mode, fn) {
  const db = await open()
  return new Promise((resolve, reject) => {
    const tx = db.transaction('accounts', mode)
    const r = fn(tx.objectStore('accounts'))
    tx.oncomplete = () => resolve(r.result)
    tx.onabort = () => reject(tx.error)
  })
}

export const kept = () => run('readonly', (s) => s.getAll())
export const keptOne = (id) => run('readonly', (s) => s.get(id))
export const keep = (a) => run('readwrite', (s) => s.put(a))
export const drop = (id) => run('readwrite', (s) => s.delete(id))

// change sets some of an account, in one transaction: page and worker both do.
export async function change(a, fields) {
  Object.assign(a, fields)
  await run('readwrite', (s) => {
    const r = s.get(a.id)
    r.onsuccess = () => { if (r.result) s.put(Object.assign(r.result, fields)) }
    return r
  })
}
