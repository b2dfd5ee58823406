// Where push services reach this phone. A service worker registration has one
// subscription, and a subscription one key, so every further site has a
// registration of its own, below the app's.

import { addressOf, setPush, vapidBytes, vapidOf } from './protocol.js'
import { change } from './store.js'
import { digest } from './sign.js'

/** @import { Account } from './store.js' */

// home is where the app is: its addresses are relative, since its provider may lie beneath
// a path of the host. Its pages are home and the one of the camera beside it.
export const home = location.pathname?.replace(/\w*$/, '')

// able says how notifications stand: none where the platform has no way.
export function able() {
  if (!('serviceWorker' in navigator) || !('PushManager' in window) || !('Notification' in window)) return 'none'
  return Notification.permission // default, granted, denied
}

// allow asks the person; it has to follow a tap.
export async function allow() {
  return able() === 'default' ? Notification.requestPermission() : able()
}

// scopeOf is where the registration of a site is: home for the provider that the app came
// from.
/** @param {string} issuer */
export async function scopeOf(issuer) {
  return issuer + '/app/' === location.origin + home ? home : home + 'at/' + (await digest(issuer)).slice(0, 16) + '/'
}

/** @param {string} issuer */
async function registrationOf(issuer) {
  const scope = await scopeOf(issuer)
  const r = await navigator.serviceWorker.register(home + 'sw.js', { scope, updateViaCache: 'none' })
  const worker = r.active ?? r.waiting ?? r.installing
  if (r.active || !worker) return r
  await /** @type {Promise<void>} */ (new Promise((done) => {
    const look = () => { if (worker.state === 'activated' || worker.state === 'redundant') done() }
    worker.addEventListener('statechange', look)
    look()
  }))
  return r
}

// addressFor returns where a site reaches this phone, null when it cannot. It
// asks nobody. A site that has changed its key is subscribed to anew.
/** @param {string} issuer @param {string} [vapid] */
export async function addressFor(issuer, vapid) {
  if (able() !== 'granted' || !vapid) return null
  try {
    const { pushManager } = await registrationOf(issuer)
    let sub = await pushManager.getSubscription()
    if (sub && vapidOf(sub) && vapidOf(sub) !== vapid) {
      await sub.unsubscribe()
      sub = null
    }
    sub ??= await pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: vapidBytes(vapid) })
    return addressOf(sub)
  } catch {
    return null // the platform's push service is not there, or does not want
  }
}

// refresh tells the site when the address is another one than it knows.
/** @param {Account} a @param {string} [vapid] */
export async function refresh(a, vapid) {
  if (vapid !== undefined && vapid !== a.vapid) await change(a, { vapid })
  const address = await addressFor(a.issuer, a.vapid)
  const text = JSON.stringify(address)
  if (text === a.push) return
  try {
    await setPush(a, address)
    await change(a, { push: text, silent: !address })
  } catch (fault) {
    if (fault.code !== 'bad_request') throw fault
    // This site does not take this browser's push service.
    await setPush(a, null)
    await change(a, { push: text, silent: true })
  }
}

// leave gives up the subscription of a site that no account is left of.
/** @param {string} issuer @param {Account[]} accounts */
export async function leave(issuer, accounts) {
  if (!('serviceWorker' in navigator) || accounts.some((a) => a.issuer === issuer)) return
  const scope = await scopeOf(issuer)
  const r = await navigator.serviceWorker.getRegistration(scope)
  if (!r || new URL(r.scope).pathname !== scope) return
  await (await r.pushManager?.getSubscription())?.unsubscribe()
  if (scope !== home) await r.unregister()
}

/** @param {string} [tag] */
export async function clearNotes(tag) {
  if (!('serviceWorker' in navigator)) return
  for (const r of await navigator.serviceWorker.getRegistrations()) {
    for (const n of await r.getNotifications(tag ? { tag } : {})) n.close()
  }
}
