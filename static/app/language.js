// The language of the app: the first that the browser asks for and that the app
// speaks, else English.

/**
 * What is said for a key: one text, or one for each plural form.
 * @typedef {string | { other: string, [form: string]: string }} Sentence
 *
 * What a sentence speaks of, by the names in its braces; N counts.
 * @typedef {Record<string, string | number | undefined>} Args
 */

const languages = ['de', 'en', 'fr', 'nl']

// Only the language and region of what is asked for: browsers have been seen to
// give tags that Intl refuses.
const wished = (navigator.languages ?? []).map((tag) => /^([a-z]{2})\b(?:.*-([a-z]{2})\b)?/i.exec(tag)).filter((m) => m !== null)
const chosen = wished.find(([, l]) => languages.includes(l.toLowerCase()))
export const language = /** @type {'de' | 'en' | 'fr' | 'nl'} */ (chosen ? chosen[1].toLowerCase() : 'en')

// locale is the form of dates, times and numbers: the region's, where it is known.
export const locale = !chosen ? 'en-GB' : chosen[2] ? language + '-' + chosen[2].toUpperCase() : language

// speaker makes what says the sentences of a list.
/**
 * @template {string} Key
 * @param {Record<Key, Sentence>} list
 * @returns {(key: Key, args?: Args) => string}
 */
export function speaker(list) {
  const plural = new Intl.PluralRules(language), number = new Intl.NumberFormat(locale)
  return (key, args = {}) => {
    /** @type {Sentence} */
    let text = list[key] ?? key
    if (typeof text !== 'string') text = text[plural.select(Number(args.N))] ?? text.other
    return text.replace(/\{(\w+)\}/g, (whole, of) => {
      const arg = args[of]
      // A name that is written from the right is a whole of its own in the sentence (UAX #9, section 2.4).
      return typeof arg === 'number' ? number.format(arg) : arg?.replace(/.*[\p{sc=Arab}\p{sc=Hebr}].*/su, '\u2068$&\u2069') ?? whole
    })
  }
}
