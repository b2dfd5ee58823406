// Linking this phone: what a QR code or typed code leads to.

import { Fault, about, hostOf, pair, readLink, siteOf } from './protocol.js'
import { accounts, forget, lost, remember, watch } from './live.js'
import { able, addressFor, allow } from './push.js'
import { back, busy, field, h, problem } from './dom.js'
import { began, faultWords } from './ask.js'
import { change, drop, keep, keptOne } from './store.js'
import { installed, ios, model, platform } from './platform.js'
import { makeKey, randomId, signs } from './sign.js'
import { t } from './words.js'

// The key of a linking that did not get through is used again: the site answers
// the same key the same, and another key not at all.
let begun

// fresh makes an account with a key that has proved itself: kept, read back,
// tried.
async function fresh(offer) {
  const same = offer.issuer + ' ' + (offer.pair ?? offer.name + ' ' + offer.short)
  if (begun?.same === same) return begun.a
  const a = { id: randomId(), issuer: offer.issuer, site: offer.site || hostOf(offer.issuer), name: offer.name, state: 'pairing', offset: 0, at: Date.now() }
  try {
    await navigator.storage?.persist?.()
    Object.assign(a, await makeKey())
    await keep(a)
    const there = await keptOne(a.id)
    if (!there || !await signs(there)) throw new Fault('keys')
  } catch {
    await drop(a.id).catch(() => {})
    throw new Fault('keys')
  }
  begun = { same, a }
  return a
}

// link links this phone as far as the tap.
async function link(offer, name) {
  const a = await fresh(offer)
  let site = {}
  try { site = await about(offer.issuer) } catch (fault) { if (fault.code === 'offline') throw fault }
  const claims = {
    ...(offer.pair ? { pair: offer.pair } : { account: offer.name, short: offer.short }), name, platform, app: 'web/1', push: await addressFor(offer.issuer, site.vapid_key),
  }
  let got
  try {
    got = await pair(a, claims)
  } catch (fault) {
    if (fault.code !== 'bad_request' || !claims.push) throw fault
    claims.push = null // this site does not take this browser's push service
    got = await pair(a, claims)
  }
  await change(a, { ...got.fields, phone: name, push: JSON.stringify(claims.push), silent: !claims.push })
  begun = undefined
  if (!accounts.some((b) => b.id === a.id)) accounts.push(a)
  for (const n of lost()) if (n.issuer === a.issuer && n.name === a.name) forget(n.id)
  remember()
  began(a, got.challenge)
  watch()
}

// Where the platform throws away what a page keeps, nothing is linked from one.
const refused = () => ios && !installed()

function refusal() {
  return h('div', { class: 'view' }, back(t('add.back')), h('h1', { tabindex: -1 }, t('install.title')), h('p', { class: 'note', id: 'ios' }, t('add.ios')),
    iosSteps(), h('p', { class: 'hint' }, t('add.typed.lead')))
}

export const iosSteps = () => h('ol', { class: 'steps' }, h('li', {}, t('install.ios.share')), h('li', {}, t('install.ios.add')), h('li', {}, t('install.ios.open')))

// form is the end of both ways: the phone's name, and what is asked next.
function form(id, fields, offerOf) {
  const el = h('form', {
    id, novalidate: true, submit: async (event) => {
      event.preventDefault()
      if (el.getAttribute('aria-busy') === 'true') return
      el.querySelector('#problem')?.remove()
      let offer
      try {
        offer = offerOf(el)
        const name = el.elements.phone.value.trim() || t('add.phone')
        busy(el, true)
        await allow() // asks, where it may; it has to follow the tap
        await link(offer, name)
        location.replace('#')
      } catch (fault) {
        busy(el, false)
        el.querySelector('.foot').before(problem(faultWords(fault, { site: offer?.site || offer && hostOf(offer.issuer) })))
      }
    },
  }, fields,
  field('phone', t('add.name'), { maxlength: 40, autocomplete: 'off', value: t('add.phone') }, t('add.name.hint')),
  h('div', { class: 'grow' }),
  able() === 'default' && h('p', { class: 'hint', id: 'notify' }, t('add.notify')),
  h('div', { class: 'foot' }, h('button', { class: 'main', id: 'continue' }, t('add.continue'))))
  model().then((name) => { if (name && el.elements.phone.value === t('add.phone')) el.elements.phone.value = name })
  return el
}

// linkView is what a scanned code, or a link on this phone, leads to.
export function linkView(text) {
  if (refused()) return refusal()
  let offer
  try { offer = readLink(text) } catch (fault) {
    return h('div', { class: 'view' }, back(t('add.back')), h('h1', { tabindex: -1 }, t('add.title')), problem(faultWords({ code: fault.code ?? 'address' })),
      h('div', { class: 'grow' }), h('div', { class: 'foot' }, h('a', { class: 'button main', href: '/app/scan' }, t('first.go'))))
  }
  return h('div', { class: 'view' }, back(t('add.back')), h('h1', { tabindex: -1 }, t('add.title')),
    h('p', { class: 'lead', id: 'offer' }, t('add.lead', { Name: offer.name, Site: offer.site || hostOf(offer.issuer) })), h('p', { class: 'hint' }, hostOf(offer.issuer)),
    form('link-form', [], () => offer))
}

// typedView is for phones without a camera.
export function typedView() {
  if (refused()) return refusal()
  const plain = { autocomplete: 'off', autocapitalize: 'none', autocorrect: 'off', spellcheck: 'false', required: true }
  return h('div', { class: 'view' }, back(t('add.back')), h('h1', { tabindex: -1 }, t('add.typed.title')), h('p', { class: 'lead' }, t('add.typed.lead')),
    form('typed-form', [
      field('site', t('add.site'), { ...plain, value: location.host, inputmode: 'url' }),
      field('user', t('add.user'), plain),
      field('short', t('add.code'), { ...plain, autocapitalize: 'characters', maxlength: 12 }, t('add.code.hint')),
    ], (el) => {
      let issuer
      try { issuer = siteOf(el.elements.site.value) } catch { throw new Fault('address') }
      const name = el.elements.user.value.trim(), short = el.elements.short.value.trim()
      if (!name || !short) {
        (name ? el.elements.short : el.elements.user).focus()
        throw new Fault('empty')
      }
      return { issuer, name, short }
    }))
}
