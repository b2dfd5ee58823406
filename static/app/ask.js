// A sign-in request, and what a person answers.

import { busy, h, icon, problem, ring, setRing } from './dom.js'
import { add, changed, gone, over, remember, wipe } from './live.js'
import { confirm, on, t as ofLock } from './lock.js'
import { answer, questions } from './protocol.js'
import { change } from './store.js'
import { t } from './words.js'
import { locale } from './language.js'
import { seconds } from './sign.js'
import { carry, here, leave } from './here.js'
import { update } from './update.js'

/** @import { Account } from './store.js' */
/** @import { Ask } from './live.js' */
/** @import { Challenge, Decision, Doc } from './protocol.js' */
/** @import { Child } from './dom.js' */
/** @import { Key } from './words.js' */

/**
 * What tells the person what came of something.
 * @typedef {(came: { text: Child | Child[], bad?: boolean }) => void} Said
 *
 * A question that can be approved.
 * @typedef {Ask & { doc: Doc }} Whole
 */

// linked asks, after Login, whether this phone is linked by that: within an invitation it
// is when the browser has finished.
/** @param {Account} a */
async function linked(a) {
  await change(a, { tapped: true })
  try {
    if ((await questions(a)).state === 'pending') return false
  } catch (fault) {
    if (fault.code === 'offline') return false // heard of by the stream, or the next look
    throw fault
  }
  await change(a, { state: 'active', tapped: false })
  return true
}

// settle is how long a request is only looked at: what was meant for the page
// before must not answer it.
const settle = 500

const final = ['wrong_number', 'already_answered', 'expired', 'withdrawn', 'no_challenge', 'device_limit', 'stale', 'damaged', 'newer']

/** @param {{ code: string, after?: number }} fault @param {{ site?: string, issuer?: string }} [a] */
export const faultWords = (fault, a) => t(/** @type {Key} */ ('fault.' + wordy(fault.code)), { Site: a?.site || a?.issuer || '', N: fault.after ?? 30 })
const known = ['address', 'already_answered', 'bad_request', 'clock_skew', 'damaged', 'device_limit', 'empty', 'expired', 'foreign', 'invalid_device', 'keys',
  'last_device', 'no_challenge', 'offline', 'pair_gone', 'plain', 'stale', 'too_many', 'withdrawn', 'wrong_number']
/** @param {string} code */
const wordy = (code) => code === 'newer' ? 'bad_request' : known.includes(code) ? code : 'server'

// send answers, and says what came of it.
/** @param {Ask} ask @param {HTMLElement} view @param {Decision} decision @param {Said} said @param {Parameters<Said>[0]} done */
async function send(ask, view, decision, said, done) {
  if (ask.busy) return
  ask.busy = true
  busy(view, true)
  view.querySelector('#problem')?.remove()
  const { a } = ask
  try {
    const sure = decision.decision === 'approve' && (on() || ask.doc?.must?.length)
    await answer(a, ask, decision, sure ? await confirm(a) : undefined)
    if (ask.doc?.purpose === 'pair') {
      if (decision.decision !== 'approve') await wipe(a)
      else if (!await linked(a)) done = { text: t('account.almost') }
      remember()
    }
    gone(ask.cid)
    said(done)
    if (!('reason' in decision) || decision.reason !== 'not_me') leave(ask.cid) // who was not it reads what to do now
  } catch (fault) {
    ask.busy = false
    if (await over(a, fault)) return
    if (final.includes(fault.code)) {
      if (fault.code === 'device_limit') await wipe(a)
      gone(ask.cid)
      return said({ text: faultWords(fault, a), bad: true })
    }
    busy(view, false)
    arm(view)
    view.querySelector('.answers')?.before(problem(fault.code === 'unverified' ? ofLock('lock.refused') : faultWords(fault, a)))
  }
}

/** @param {HTMLElement} view */
const arm = (view) => { view.querySelector('[data-full]')?.dispatchEvent(new Event('arm')) }

const time = new Intl.DateTimeFormat(locale, { timeStyle: 'short' })

/** @param {Whole} ask */
function facts(ask) {
  const d = ask.doc
  const rows = [[t('ask.account'), d.account]]
  if (d.purpose === 'pair') rows.push([t('ask.site'), ask.a.site])
  else {
    const browser = d.browser && d.os ? t('ask.browser.on', { Browser: d.browser, System: d.os }) : d.browser || d.os || t('ask.browser.unknown')
    rows.push([t('ask.browser'), browser], [t('ask.from'), [d.net, d.place, d.ip].filter(Boolean).join(' · ')], [t('ask.time'), time.format(new Date(d.at * 1000))])
  }
  return h('dl', { class: 'facts' }, rows.map(([k, v]) => h('div', {}, h('dt', {}, k), h('dd', {}, v))))
}

// clock counts the time left truthfully, and takes the request away at its end.
/** @param {Whole} ask @param {Said} said */
function clock(ask, said) {
  const total = Math.max(1, ask.doc.exp - ask.doc.at)
  const picture = ring(), left = h('span', { class: 'left-text' })
  const el = h('div', { class: 'time-left', role: 'timer', 'aria-label': t('ask.left') }, picture, left)
  const tick = () => {
    if (!el.isConnected && ask.shown) return
    ask.shown = true
    const n = ask.doc.exp - seconds(ask.a)
    setRing(picture, n / total)
    left.textContent = n >= 60 ? Math.floor(n / 60) + ':' + String(n % 60).padStart(2, '0') : String(Math.max(0, n))
    if (n > 0) return setTimeout(tick, 1000)
    if (ask.busy || !gone(ask.cid)) return
    if (ask.doc.purpose === 'pair') wipe(ask.a)
    said({ text: t('gone.expired'), bad: true })
  }
  ask.shown = false
  tick()
  requestAnimationFrame(tick)
  return el
}

/** @param {() => void} deny */
function denyButton(deny) {
  return h('button', { class: 'plain answer', id: 'deny', type: 'button', click: deny }, t('ask.deny'))
}

// login is the button of an approval; full says whether all is there that it needs.
/** @param {() => void} approve */
function loginButton(approve, full = () => true) {
  const b = h('button', { class: 'main answer', id: 'login', type: 'button', disabled: true, 'data-full': true, click: approve }, t('ask.login'))
  b.addEventListener('arm', () => { b.disabled = b.dataset.waiting === '1' || !full() })
  return b
}

/** @param {number} len @param {(number: string) => void} approve */
function pad(len, approve) {
  let typed = ''
  const shown = h('output', { class: 'typed', id: 'typed', 'aria-label': t('ask.digits'), 'data-len': len })
  const login = loginButton(() => approve(typed), () => typed.length === len)
  const show = () => {
    shown.replaceChildren(...Array.from({ length: len }, (_, i) => h('span', { class: typed[i] ? 'digit' : 'digit none' }, typed[i] ?? '–')))
    login.dispatchEvent(new Event('arm'))
  }
  /** @param {string} key */
  const press = (key) => {
    typed = key === 'erase' ? typed.slice(0, -1) : (typed + key).slice(0, len)
    show()
  }
  const keys = h('div', { class: 'pad' }, [...'123456789'].map((n) => h('button', { type: 'button', class: 'key', click: () => press(n) }, n)),
    h('span'), h('button', { type: 'button', class: 'key', click: () => press('0') }, '0'),
    h('button', { type: 'button', class: 'key', 'aria-label': t('ask.erase'), click: () => press('erase') }, icon('erase')))
  show()
  return { keys, shown, login, press }
}

// why asks for the reason of a denial. Who leaves without one has denied.
/** @param {Ask} ask @param {Said} said @param {() => void} redraw */
function why(ask, said, redraw) {
  /** @param {'not_me' | 'mistake'} [reason] */
  const deny = (reason) => {
    const notMe = reason === 'not_me'
    return send(ask, view, { decision: 'deny', ...(reason ? { reason } : {}) }, said, {
      text: notMe ? [t('done.notme'), ' ', h('a', { id: 'said-link', href: ask.a.issuer + '/account/password', target: '_blank', rel: 'noopener' }, t('done.change'))] : t('done.denied'),
      bad: notMe,
    })
  }
  const leaving = () => { if (document.visibilityState === 'hidden' && view.isConnected) deny() }
  document.addEventListener('visibilitychange', leaving)
  const back = () => {
    ask.denying = false
    document.removeEventListener('visibilitychange', leaving)
    redraw()
  }
  /** @param {string} id @param {'not_me' | 'mistake'} reason @param {string} words @param {string} hint */
  const choice = (id, reason, words, hint) => h('button', { class: 'choice', id, type: 'button', 'aria-describedby': id + '-hint', click: () => deny(reason) },
    h('span', { class: 'choice-title' }, words), h('span', { class: 'hint', id: id + '-hint' }, hint))
  /** @type {HTMLElement} */
  const view = h('div', { class: 'view ask' },
    h('div', { class: 'ask-top' }, h('button', { class: 'back', type: 'button', id: 'back', click: back }, icon('back'), h('span', {}, t('ask.why.back')))),
    h('h1', { tabindex: -1 }, t('ask.why')), h('p', { class: 'lead' }, t('ask.why.lead')),
    h('div', { class: 'answers reasons' },
      choice('notme', 'not_me', t('ask.why.notme'), t('ask.why.notme.hint')),
      choice('mistake', 'mistake', t('ask.why.mistake'), t('ask.why.mistake.hint'))))
  return view
}

// askView draws a request. redraw is called when it looks different.
/** @param {Ask} ask @param {{ said: Said, redraw: () => void }} acts */
export function askView(ask, { said, redraw }) {
  if (ask.denying) return why(ask, said, redraw)
  if (!whole(ask)) return oddView(ask, said)
  const d = ask.doc
  const pairing = d.purpose === 'pair'
  const deny = () => {
    if (pairing) return send(ask, view, { decision: 'deny' }, said, { text: t('done.denied'), bad: false })
    ask.denying = true
    redraw()
  }
  /** @param {string} [number] */
  const approve = (number) => send(ask, view, { decision: 'approve', ...(typeof number === 'string' ? { number } : {}) }, said,
    { text: t(pairing ? 'done.paired' : 'done.approved'), bad: false })

  const title = pairing ? t('ask.pair') : d.purpose === 'stepup' ? d.act?.text ?? t('ask.stepup')
    : d.new_password ? t('ask.password') : t('ask.title', { App: d.app })
  /** @type {Child[] | undefined} */
  let middle
  /** @type {Child[]} */
  let buttons
  if (here?.cid === ask.cid && here.number) { // typed already, on the page
    const { number } = here
    middle = [h('output', { class: 'typed', id: 'carried' }, [...number].map((n) => h('span', { class: 'digit' }, n))), h('p', { class: 'task' }, t('ask.here'))]
    buttons = [denyButton(deny), loginButton(() => approve(number))]
    ask.press = undefined
  } else if (d.match.mode === 'tap') buttons = [denyButton(deny), loginButton(() => approve())]
  else if (d.match.mode === 'type') {
    const p = pad(d.match.len, approve)
    middle = [h('p', { class: 'task' }, t('ask.type')), p.shown, p.keys]
    buttons = [denyButton(deny), p.login]
    ask.press = p.press
  } else {
    middle = [h('p', { class: 'task' }, t('ask.pick')), h('div', { class: 'picks' }, d.match.choices.map((n) =>
      h('button', { type: 'button', class: 'pick', 'data-full': true, disabled: true, click: () => approve(n) }, n)))]
    buttons = [denyButton(deny)]
  }
  const view = h('div', { class: 'view ask', 'data-mode': d.match.mode },
    h('div', { class: 'ask-top' }, h('span', { class: 'site' }, ask.a.site), clock(ask, said)),
    h('h1', { tabindex: -1 }, title),
    pairing && h('p', { class: 'lead' }, t('ask.pair.lead')),
    d.act && h('p', { class: 'lead', id: 'act' }, t('ask.stepup')),
    !pairing && d.new_password && h('p', { class: 'lead', id: 'new-password' }, t('ask.password.lead')),
    facts(ask),
    !pairing && d.new_browser && h('p', { class: 'hint new', id: 'new-browser' }, t('ask.new')),
    h('div', { class: 'grow' }),
    middle, h('div', { class: buttons.length > 1 ? 'answers two' : 'answers' }, buttons))
  settleDown(ask, view)
  return view
}

export { carry }

// carried reports whether a question is that of the page which the person comes from.
/** @param {Ask} ask */
export const carried = (ask) => here?.cid === ask.cid

/** @param {Ask} ask @returns {ask is Whole} */
const whole = (ask) => ask.doc !== undefined

// settleDown wakes the buttons a moment after the request has come into sight.
/** @param {Ask} ask @param {HTMLElement} view */
function settleDown(ask, view) {
  const all = view.querySelectorAll('button')
  for (const b of all) { b.dataset.waiting = '1'; b.disabled = true }
  setTimeout(() => {
    if (ask.busy) return
    for (const b of all) {
      delete b.dataset.waiting
      b.disabled = false
      b.dispatchEvent(new Event('arm'))
    }
    view.dataset.ready = ''
  }, settle)
}

// A request that cannot be approved here: of a newer kind, or not what it says.
/** @param {Ask} ask @param {Said} said */
function oddView(ask, said) {
  const newer = ask.fault === 'newer'
  /** @type {HTMLElement} */
  const view = h('div', { class: 'view ask' },
    h('div', { class: 'ask-top' }, h('span', { class: 'site' }, ask.a.site)),
    h('h1', { tabindex: -1 }, newer ? t('ask.newer.title') : t('push.generic')),
    h('p', { class: 'lead', id: 'newer' }, newer ? t('ask.newer') : t('ask.odd')),
    h('div', { class: 'grow' }),
    h('div', { class: newer ? 'answers two' : 'answers' },
      h('button', { class: 'plain answer', id: 'deny', type: 'button', click: () => send(ask, view, { decision: 'deny' }, said, { text: t('done.denied'), bad: false }) }, t('ask.deny')),
      newer && h('button', { class: 'main answer', id: 'update', type: 'button', click: update }, t('ask.update'))))
  settleDown(ask, view)
  return view
}

// pressed lets a keyboard type the number.
/** @param {Ask} ask @param {string} key */
export function pressed(ask, key) {
  if (/^\d$/.test(key)) ask.press?.(key)
  else if (key === 'Backspace') ask.press?.('erase')
}

// began shows the question of a linking that was just begun.
/** @param {Account} a @param {Challenge} challenge */
export function began(a, challenge) {
  add(a, challenge.cid, challenge.doc)
  changed()
}
