// The accounts and their codes.

import { h, icon, mark, ring, setRing } from './dom.js'
import { accounts, forget, lost } from './live.js'
import { able } from './push.js'
import { codeAt, seconds } from './sign.js'
import { installable, installed, ios } from './platform.js'
import { t } from './words.js'

/** @import { Account } from './store.js' */
/** @import { Child } from './dom.js' */
/** @import { Note } from './live.js' */

/** @param {string} code */
const spaced = (code) => code.length === 6 ? code.slice(0, 3) + ' ' + code.slice(3) : code

// lately are the codes of this moment, so that what is drawn anew does not blink.
/** @type {Map<string, { step: number, code: string }>} */
const lately = new Map()

// codeButton shows an account's code as it runs; a tap copies it.
/** @param {Account} a */
function codeButton(a) {
  const text = h('span', { class: 'code-text' }), picture = ring(), copied = h('span', { class: 'copied', role: 'status' })
  const b = h('button', { type: 'button', class: 'code', id: 'code-' + a.id }, h('span', { class: 'offscreen' }, t('account.code', { Name: a.name })), text, h('span', { class: 'code-left' }, picture))
  let code = '', step = -1
  const tick = async () => {
    if (step >= 0 && !b.isConnected) return
    const now = seconds(a)
    if (Math.floor(now / a.period) !== step) {
      step = Math.floor(now / a.period)
      const known = lately.get(a.id)
      code = known?.step === step ? known.code : await codeAt(a, now)
      lately.set(a.id, { step, code })
      text.textContent = spaced(code)
    }
    setRing(picture, 1 - now % a.period / a.period)
    setTimeout(tick, 1000 - Date.now() % 1000 + 5)
  }
  tick().catch(() => {})
  b.addEventListener('click', async () => {
    try { await navigator.clipboard.writeText(code) } catch { return }
    copied.textContent = t('account.copied')
    setTimeout(() => { copied.textContent = '' }, 2000)
  })
  return h('div', { class: 'code-row' }, b, copied)
}

// pending says what is left to do before this phone counts. There is no code before.
/** @param {Account} a @returns {Child | Child[]} */
const pending = (a) => a.tapped
  ? [h('p', { class: 'note good', id: 'almost-' + a.id }, t('account.almost')), a.back ? h('p', {}, h('a', { class: 'button main', id: 'way-back', href: a.back }, t('account.back'))) : false]
  : h('p', { class: 'hint' }, t('account.pending'))

/** @param {Account} a */
function card(a) {
  const trouble = a.state === 'unknown' ? t('account.unknown', { Site: a.site })
    : a.trouble === 'offline' ? t('account.offline', { Site: a.site })
      : a.trouble === 'server' ? t('account.server', { Site: a.site }) : ''
  const quiet = a.state === 'active' && (able() !== 'granted' || a.silent)
  return h('li', { class: 'card', id: 'account-' + a.id, 'data-trouble': a.trouble || false },
    h('div', { class: 'card-head' },
      h('div', { class: 'names' }, h('h2', {}, a.site || a.issuer), h('p', { class: 'who' }, a.name)),
      h('a', { class: 'icon-button', id: 'menu-' + a.id, href: '#menu=' + a.id, 'aria-label': t('account.menu', { Name: a.name, Site: a.site }) }, icon('menu'))),
    a.state === 'pending' ? pending(a) : codeButton(a),
    trouble && h('p', { class: a.state === 'unknown' ? 'note bad' : 'hint', id: 'trouble-' + a.id }, trouble),
    a.state === 'unknown' && h('p', {}, h('a', { class: 'button plain', href: 'scan' }, t('add.again'))),
    quiet && h('p', { class: 'hint' }, t('account.silent') + ' ', h('a', { href: '#push=' + a.id }, t('account.silent.fix'))))
}

// An account whose keys the browser has thrown away.
/** @param {Note} n @param {() => void} redraw */
function lostCard(n, redraw) {
  return h('li', { class: 'card lost' },
    h('div', { class: 'names' }, h('h2', {}, n.site || n.issuer), h('p', { class: 'who' }, n.name)),
    h('p', { class: 'note bad' }, h('b', {}, t('first.again') + '. '), t('lost.lead')),
    h('div', { class: 'pair' }, h('a', { class: 'button main', href: 'scan', id: 'link-again' }, t('add.again')),
      h('button', { class: 'plain', type: 'button', click: () => { forget(n.id); redraw() } }, t('lost.forget'))))
}

// looks is all that this view depends on: as long as it is the same, nothing is
// drawn anew under the person's fingers.
export const looks = () => JSON.stringify([accounts.map((a) => [a.id, a.site, a.name, a.state, a.tapped, a.trouble, a.silent]), lost(), able(), installable(), installed()])

/** @param {() => void} redraw */
export function homeView(redraw) {
  const gone = lost()
  if (accounts.length + gone.length === 0) return firstView()
  return h('div', { class: 'view home' },
    h('div', { class: 'top' }, mark(), h('h1', { tabindex: -1 }, t('home.title'))),
    h('ul', { class: 'cards', id: 'accounts' }, gone.map((n) => lostCard(n, redraw)), accounts.map(card)),
    h('div', { class: 'grow' }),
    h('div', { class: 'foot' }, h('a', { class: 'button plain', id: 'add', href: 'scan' }, icon('plus'), t('add.button')),
      !installed() && (ios || installable()) && h('a', { class: 'link', href: '#install' }, t('first.install'))))
}

function firstView() {
  const there = installed()
  const main = ios && !there
  return h('div', { class: 'view first' },
    h('div', { class: 'hero' }, mark()),
    h('h1', { tabindex: -1 }, t('first.title')), h('p', { class: 'lead' }, t('first.lead')),
    h('ol', { class: 'steps' }, !there && h('li', {}, h('a', { href: '#install' }, t('first.install'))),
      h('li', {}, t('first.step.link')), h('li', {}, t('first.step.scan')), h('li', {}, t('first.step.tap'))),
    h('div', { class: 'grow' }),
    h('div', { class: 'foot' },
      main ? h('a', { class: 'button main', id: 'to-install', href: '#install' }, t('first.install')) : h('a', { class: 'button main', id: 'add', href: 'scan' }, t('first.go')),
      !main && h('a', { class: 'link', href: '#typed' }, t('add.typed'))))
}
