// Linking this phone: what a QR code or typed code leads to.

import { Fault, about, hostOf, pair, readLink, siteOf } from './protocol.js'
import { accounts, forget, lost, remember, watch } from './live.js'
import { able, addressFor, allow, home, scopeOf } from './push.js'
import { back, busy, field, h, problem } from './dom.js'
import { began, faultWords } from './ask.js'
import { change, drop, keep, keptOne } from './store.js'
import { installed, ios, platform } from './platform.js'
import { second } from './lock.js'
import { envelope, makeKey, publicKey, randomId, signs, thumbprint } from './sign.js'
import { t } from './words.js'

/** @import { Account, Begun } from './store.js' */
/** @import { Address, Claims } from './sign.js' */
/** @import { Child } from './dom.js' */

/**
 * What a phone may be linked by: the code of a QR code, or the short one that was typed
 * with a user name.
 * @typedef {{ issuer: string, site?: string, name: string, pair?: string, short?: string }} Offer
 */

// The key of a linking that did not get through is used again: the site answers
// the same key the same, and another key not at all.
/** @type {{ same: string, a: Begun } | undefined} */
let begun

// fresh makes an account with a key that has proved itself: kept, read back,
// tried.
/** @param {Offer} offer */
async function fresh(offer) {
  const same = offer.issuer + ' ' + (offer.pair ?? offer.name + ' ' + offer.short)
  if (begun?.same === same) return begun.a
  const id = randomId()
  /** @type {Begun} */
  let a
  try {
    await navigator.storage?.persist?.()
    a = { id, issuer: offer.issuer, site: offer.site || hostOf(offer.issuer), name: offer.name, state: 'pairing', offset: 0, at: Date.now(), ...await makeKey() }
    await keep(a)
    const there = await keptOne(id)
    if (!there || !await signs(there)) throw new Fault('keys')
  } catch {
    await drop(id).catch(() => {})
    throw new Fault('keys')
  }
  begun = { same, a }
  return a
}

// link links this phone as far as the tap.
/** @param {Offer} offer @param {string} name @param {string} [from] */
async function link(offer, name, from) {
  const a = await fresh(offer)
  let vapid
  try { vapid = (await about(offer.issuer)).vapid_key } catch (fault) { if (fault.code === 'offline') throw fault }
  a.uv ??= await second()
  /** @type {Claims & { push: Address | null }} */
  const claims = {
    ...(a.uv && { uv_jwk: publicKey(a.uv) }), ...(offer.pair ? { pair: offer.pair } : { account: offer.name, short: offer.short }), name, platform, app: 'web/1', push: await addressFor(offer.issuer, vapid),
  }
  // Linked again, it takes its own place; the site may know better, by then.
  const old = accounts.find((b) => b.issuer === a.issuer && b.name === offer.name && b.state === 'active')
  if (old) claims.replaces = await envelope(old, 'replace', { jkt: await thumbprint(a) })
  let got
  while (!got) {
    try { got = await pair(a, claims) } catch (fault) {
      if (fault.code === 'bad_replaces' && claims.replaces) delete claims.replaces
      else if (fault.code === 'bad_request' && claims.push) claims.push = null // a site of before, which does not take this browser's push service
      else throw fault
    }
  }
  if (old && claims.replaces) await change(old, { moved: a.id })
  await change(a, { ...got.fields, uv: a.uv, phone: name, push: JSON.stringify(claims.push), silent: !claims.push || got.refused, back: from })
  begun = undefined
  const linked = /** @type {Account} */ (a)
  if (!accounts.some((b) => b.id === a.id)) accounts.push(linked)
  for (const n of lost()) if (n.issuer === a.issuer && n.name === a.name) forget(n.id)
  remember()
  began(linked, got.challenge)
  watch()
}

// Where the platform throws away what a page keeps, nothing is linked from one.
const refused = () => ios && !installed()

function refusal() {
  return h('div', { class: 'view' }, back(t('add.back')), h('h1', { tabindex: -1 }, t('install.title')), h('p', { class: 'note', id: 'ios' }, t('add.ios')),
    iosSteps(), h('p', { class: 'hint' }, t('add.typed.lead')))
}

export const iosSteps = () => h('ol', { class: 'steps' }, h('li', {}, t('install.ios.share')), h('li', {}, t('install.ios.add')), h('li', {}, t('install.ios.open')))

// model is what the phone calls itself; empty when it does not say.
async function model() {
  if (/iPad/.test(navigator.userAgent) || ios && /Macintosh/.test(navigator.userAgent)) return 'iPad'
  if (ios) return 'iPhone'
  try { return (await navigator.userAgentData.getHighEntropyValues(['model'])).model.slice(0, 40) } catch { return '' }
}

// form is the end of both ways: the phone's name, and what is asked next.
/** @param {string} id @param {Child[]} fields @param {(valueOf: (name: string) => HTMLInputElement) => Offer} offerOf @param {string} [from] */
function form(id, fields, offerOf, from) {
  /** @param {string} name */
  const input = (name) => /** @type {HTMLInputElement} */ (el.elements.namedItem(name))
  const el = h('form', {
    id, novalidate: true, submit: async (event) => {
      event.preventDefault()
      if (el.getAttribute('aria-busy') === 'true') return
      el.querySelector('#problem')?.remove()
      let offer
      try {
        offer = offerOf(input)
        const name = input('phone').value.trim() || t('add.phone')
        busy(el, true)
        await allow() // asks, where it may; it has to follow the tap
        await link(offer, name, await scopeOf(offer.issuer) === home ? from : undefined)
        location.replace('#')
      } catch (fault) {
        busy(el, false)
        el.querySelector('.foot')?.before(problem(faultWords(fault, { site: offer?.site || offer && hostOf(offer.issuer) })))
      }
    },
  }, fields,
  field('phone', t('add.name'), { maxlength: 40, autocomplete: 'off', value: t('add.phone') }, t('add.name.hint')),
  h('div', { class: 'grow' }),
  able() === 'default' && h('p', { class: 'hint', id: 'notify' }, t('add.notify')),
  h('div', { class: 'foot' }, h('button', { class: 'main', id: 'continue' }, t('add.continue'))))
  model().then((name) => { if (name && input('phone').value === t('add.phone')) input('phone').value = name })
  return el
}

// linkView is what a scanned code, or a link on this phone, leads to; from is the page
// that the link stood on.
/** @param {string} text @param {string} [from] */
export function linkView(text, from) {
  if (refused()) return refusal()
  let offer
  try { offer = readLink(text) } catch (fault) {
    return h('div', { class: 'view' }, back(t('add.back')), h('h1', { tabindex: -1 }, t('add.title')), problem(faultWords({ code: fault.code ?? 'address' })),
      h('div', { class: 'grow' }), h('div', { class: 'foot' }, h('a', { class: 'button main', href: 'scan' }, t('first.go'))))
  }
  return h('div', { class: 'view' }, back(t('add.back')), h('h1', { tabindex: -1 }, t('add.title')),
    h('p', { class: 'lead', id: 'offer' }, t('add.lead', { Name: offer.name, Site: offer.site || hostOf(offer.issuer) })), h('p', { class: 'hint' }, hostOf(offer.issuer)),
    form('link-form', [], () => offer, from && /^\/(login|account)\/[\w/-]+$/.test(from) ? from : undefined))
}

// typedView is for phones without a camera.
export function typedView() {
  if (refused()) return refusal()
  const plain = { autocomplete: 'off', autocapitalize: 'none', autocorrect: 'off', spellcheck: 'false', required: true }
  return h('div', { class: 'view' }, back(t('add.back')), h('h1', { tabindex: -1 }, t('add.typed.title')), h('p', { class: 'lead' }, t('add.typed.lead')),
    form('typed-form', [
      field('site', t('add.site'), { ...plain, value: (location.host + home).replace(/.app.$/, ''), inputmode: 'url' }),
      field('user', t('add.user'), plain),
      field('short', t('add.code'), { ...plain, autocapitalize: 'characters', maxlength: 12 }, t('add.code.hint')),
    ], (input) => {
      let issuer
      try { issuer = siteOf(input('site').value) } catch { throw new Fault('address') }
      const name = input('user').value.trim(), short = input('short').value.trim()
      if (!name || !short) {
        input(name ? 'short' : 'user').focus()
        throw new Fault('empty')
      }
      return { issuer, name, short }
    }))
}
