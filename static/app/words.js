// The sentences of the pages, in one language: the only one that is fetched.

import { language, speaker } from './language.js'

/** @import { Args } from './language.js' */
/** @typedef {keyof typeof import('./notes.en.js').default | keyof typeof import('./words.en.js').default} Key */

/** @type {(key: Key, args?: Args) => string} */
let say

// t says a sentence, once the words are there.
/** @type {(key: Key, args?: Args) => string} */
export const t = (key, args) => say(key, args)

// read fetches a language: notifications, whose sentences the service worker has
// too, and the rest.
/** @param {string} l */
async function read(l) {
  const [notes, rest] = await Promise.all([import('./notes.' + l + '.js'), import('./words.' + l + '.js')])
  return { ...notes.default, ...rest.default }
}

// words holds from when on t may be called. Who opens the app without a network
// after changing the language of the phone finds English, which is always kept.
export const words = read(language).then((list) => [list, language], async () => [await read('en'), 'en']).then(([list, spoken]) => {
  say = speaker(list)
  document.documentElement.lang = spoken
})
