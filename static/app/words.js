// The sentences of the pages, in one language: the only one that is fetched.

import { language, speaker } from './language.js'

let say

// t says a sentence, once the words are there.
export const t = (key, args) => say(key, args)

// words holds from when on t may be called. Who opens the app without a network
// after changing the language of the phone finds English, which is always kept.
export const words = import('./words.' + language + '.js').then((m) => [m, language], async () => [await import('./words.en.js'), 'en']).then(([m, spoken]) => {
  say = speaker(m.default)
  document.documentElement.lang = spoken
})
