// Making elements. Text is only ever set as text.

/**
 * @typedef {string | number | boolean | null | undefined | ((event: Event) => unknown)} Attribute
 * @typedef {Record<string, Attribute>} Attributes
 * @typedef {Node | string | false | null | undefined} Child
 * @typedef {(Child | Child[])[]} Children
 */

// h makes an element: functions become listeners, true and false attributes
// that are there or not, the rest attributes.
/**
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Attributes} attrs
 * @param {Children} children
 */
export function h(tag, attrs = {}, ...children) {
  return dress(document.createElement(tag), attrs, children)
}

/**
 * @template {Element} E
 * @param {E} el
 * @param {Attributes} attrs
 * @param {Children} children
 */
function dress(el, attrs, children) {
  for (const [name, value] of Object.entries(attrs)) {
    if (typeof value === 'function') el.addEventListener(name, value)
    else if (value === true) el.setAttribute(name, '')
    else if (value !== false && value !== undefined && value !== null) el.setAttribute(name, String(value))
  }
  el.append(...children.flat().filter((c) => c !== null && c !== undefined && c !== false))
  return el
}

const space = 'http://www.w3.org/2000/svg'

/** @param {string} tag @param {Attributes} attrs @param {Children} children */
function s(tag, attrs, ...children) { return dress(document.createElementNS(space, tag), attrs, children) }

const hidden = { 'aria-hidden': 'true', focusable: 'false' }

// mark is ours, or the logo of the site: a picture that does not come leaves ours.
export function mark(dot = 0) {
  const { logo, logoDark } = document.body.dataset
  if (!logo) return ours(dot)
  const all = h('span', { class: 'logos' }, h('img', { class: logoDark ? 'logo by-day' : 'logo', src: logo, alt: '' }), logoDark && h('img', { class: 'logo by-night', src: logoDark, alt: '' }))
  for (const img of all.children) img.addEventListener('error', () => all.replaceWith(ours(dot)))
  return all
}

/** @param {number} dot */
const ours = (dot) => s('svg', { class: 'mark', viewBox: '0 0 32 32', 'data-dot': dot, ...hidden },
  s('path', { class: 'ring', d: 'M25 9.3a12 12 0 1 0 0 13.4' }), s('circle', { class: 'dot', cx: 27.4, cy: 16, r: 3 }))

const shapes = {
  menu: 'M3.5 6h13M3.5 10h13M3.5 14h13',
  back: 'M12 4.5 6.5 10l5.5 5.5',
  plus: 'M10 4v12M4 10h12',
  more: 'M8 4.5 13.5 10 8 15.5',
  erase: 'M7 5h9.5v10H7L2.5 10zM9.5 8l4 4M13.5 8l-4 4',
  bell: 'M5 8.5a5 5 0 0 1 10 0c0 4 1.5 5 1.5 5h-13S5 12.500 5 8.500zM8.500 16.500h3',
  pen: 'M4 16l1-3.500 8.500-8.500 2.500 2.500L7.500 15z',
  cut: 'M8.500 6.500l1-1a3.500 3.500 0 0 1 5 5l-1 1M11.500 13.500l-1 1a3.500 3.500 0 0 1-5-5l1-1M3 3l14 14',
  lock: 'M5.500 9h9v7.500h-9zM7 9V6.500a3 3 0 0 1 6 0V9',
  light: 'M10.500 2.500 4.500 11.500h4.500l-1 6 6-9h-4.500z',
  done: 'M4 10.500l4 4 8-9',
}
/** @param {keyof typeof shapes} name */
export const icon = (name) => s('svg', { class: 'icon', viewBox: '0 0 20 20', ...hidden }, s('path', { class: 'line', d: shapes[name] }))

// ring shows the time left, a hundredth at a time.
export function ring() {
  return s('svg', { class: 'left-ring', viewBox: '0 0 36 36', ...hidden },
    s('circle', { class: 'track', cx: 18, cy: 18, r: 15 }), s('circle', { class: 'left', cx: 18, cy: 18, r: 15, pathLength: 100, 'stroke-dasharray': 100 }))
}
/** @param {Element} el @param {number} share */
export function setRing(el, share) { el.querySelector('.left')?.setAttribute('stroke-dashoffset', String(100 - 100 * Math.min(1, Math.max(0, share)))) }

/** @param {string} words */
export const back = (words, to = '#') => h('a', { class: 'back', id: 'back', href: to }, icon('back'), h('span', {}, words))

// field is a labelled input with what is wrong or worth knowing about it.
/** @param {string} id @param {string} label @param {Attributes} attrs @param {string} [hint] */
export function field(id, label, attrs, hint) {
  const more = hint ? { 'aria-describedby': id + '-hint' } : {}
  return h('div', { class: 'field' }, h('label', { for: id }, label), h('input', { id, name: id, ...more, ...attrs }), hint && h('p', { class: 'hint', id: id + '-hint' }, hint))
}

// problem is said at once by screen readers, and brought into sight.
/** @param {string} words */
export function problem(words) {
  const p = h('p', { class: 'problem', id: 'problem', role: 'alert' }, words)
  requestAnimationFrame(() => p.scrollIntoView({ block: 'nearest' }))
  return p
}

// busy keeps a form or a group of buttons from being used twice.
/** @param {HTMLElement} el @param {boolean} on */
export function busy(el, on) {
  el.setAttribute('aria-busy', String(on))
  for (const b of /** @type {NodeListOf<HTMLButtonElement | HTMLInputElement>} */ (el.querySelectorAll('button, input'))) b.disabled = on
}
