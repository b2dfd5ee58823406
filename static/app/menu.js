// What can be done with an account, and with the app.

import { Fault, rename, unpair } from './protocol.js'
import { able, allow, refresh } from './push.js'
import { accounts, over, wipe } from './live.js'
import { back, busy, field, h, icon, problem } from './dom.js'
import { faultWords } from './ask.js'
import { t as ofLock } from './lock.js'
import { change } from './store.js'
import { install, installable, ios, installed } from './platform.js'
import { iosSteps } from './add.js'
import { t } from './words.js'

/** @import { Account } from './store.js' */
/** @import { Said } from './ask.js' */

/** @param {Account} a @param {string} title @param {string} to */
const head = (a, title, to) => [back(t('add.back'), to), h('h1', { tabindex: -1 }, title), h('p', { class: 'lead' }, t('push.text', { Name: a.name, Site: a.site }))]
/** @param {string} id @param {string} to @param {Parameters<typeof icon>[0]} shape @param {string} words */
const row = (id, to, shape, words, more = '') => h('li', {}, h('a', { class: 'row' + more, id, href: to }, icon(shape), h('span', {}, words), icon('more')))

/** @param {Account} a */
export function menuView(a) {
  return h('div', { class: 'view' }, head(a, t('menu.title'), '#'),
    h('ul', { class: 'rows' }, a.state === 'active' && row('to-rename', '#rename=' + a.id, 'pen', t('menu.name')),
      a.state === 'active' && row('to-push', '#push=' + a.id, 'bell', t('menu.push')), a.state === 'active' && row('to-lock', '#lock=' + a.id, 'lock', ofLock('lock.title')), row('to-unpair', '#unpair=' + a.id, 'cut', t('menu.unpair'), ' bad')))
}

/** @param {Account} a @param {Said} said */
export function renameView(a, said) {
  const el = h('form', {
    id: 'rename-form', novalidate: true, submit: async (event) => {
      event.preventDefault()
      const name = /** @type {HTMLInputElement} */ (el.elements.namedItem('phone')).value.trim()
      el.querySelector('#problem')?.remove()
      busy(el, true)
      try {
        await rename(a, name)
        await change(a, { phone: name })
        location.replace('#')
        said({ text: t('done.renamed') })
      } catch (fault) {
        busy(el, false)
        if (!await over(a, fault)) el.prepend(problem(faultWords(fault, a)))
      }
    },
  }, field('phone', t('add.name'), { maxlength: 40, required: true, autocomplete: 'off', value: a.phone ?? '' }, t('add.name.hint')),
  h('div', { class: 'foot' }, h('button', { class: 'main', id: 'save' }, t('rename.save'))))
  return h('div', { class: 'view' }, head(a, t('rename.title'), '#menu=' + a.id), el)
}

/** @param {Account} a @param {() => void} redraw */
export function pushView(a, redraw) {
  const is = able()
  const words = is === 'none' ? t(ios && !installed() ? 'push.none.ios' : 'push.none') : is === 'denied' ? t('push.denied') : is === 'default' ? t('push.default')
    : a.silent ? t('push.off', { Site: a.site }) : t('push.working')
  const go = async () => {
    button.disabled = true
    await allow()
    await Promise.allSettled(accounts.filter((b) => b.state === 'active').map((b) => refresh(b)))
    redraw()
  }
  const button = h('button', { class: 'main', id: 'allow', type: 'button', click: go }, t('push.allow'))
  return h('div', { class: 'view' }, head(a, t('push.title'), '#menu=' + a.id),
    h('p', { class: is === 'granted' && !a.silent ? 'note good' : 'note', id: 'push-state' }, words), h('div', { class: 'grow' }),
    is === 'default' && h('div', { class: 'foot' }, button))
}

/** @param {Account} a @param {Said} said */
export function unpairView(a, said) {
  const end = async () => {
    await wipe(a)
    location.replace('#')
    said({ text: t('done.unpaired', { Name: a.name, Site: a.site }) })
  }
  const foot = h('div', { class: 'foot' })
  const only = () => h('div', { class: 'only' }, h('p', { class: 'hint' }, t('unpair.forget.hint')), h('button', { class: 'plain', type: 'button', id: 'forget', click: end }, t('unpair.forget')))
  const go = async () => {
    view.querySelector('#problem')?.remove()
    view.querySelector('.only')?.remove()
    busy(foot, true)
    try {
      if (a.state === 'unknown') return await end()
      await unpair(a)
      await end()
    } catch (err) {
      const fault = err instanceof Fault ? err : new Fault('server')
      if (fault.code === 'unlinked') return end()
      busy(foot, false)
      foot.before(problem(faultWords(fault, a)))
      if (fault.code !== 'last_device') foot.before(only())
    }
  }
  foot.append(h('a', { class: 'button plain', id: 'keep', href: '#' }, t('unpair.no')), h('button', { class: 'danger', type: 'button', id: 'unpair', click: go }, t('unpair.go')))
  const view = h('div', { class: 'view' }, back(t('add.back'), '#menu=' + a.id), h('h1', { tabindex: -1 }, t('unpair.title')),
    h('p', {}, t('push.text', { Name: a.name, Site: a.site })), h('p', { class: 'lead' }, t('unpair.lead')), h('div', { class: 'grow' }), foot)
  return view
}

/** @param {() => void} redraw */
export function installView(redraw) {
  return h('div', { class: 'view' }, back(t('add.back')), h('h1', { tabindex: -1 }, t('install.title')), h('p', { class: 'lead' }, t('install.lead')),
    ios ? iosSteps() : !installable() && h('p', { class: 'note' }, t('install.android')),
    h('div', { class: 'grow' }),
    installable() && h('div', { class: 'foot' }, h('button', { class: 'main', id: 'install', type: 'button', click: async () => { await install(); redraw() } }, t('install.now'))))
}
