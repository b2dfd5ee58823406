// The language of the app: the first that the browser asks for and that the app
// speaks, else English.

const languages = ['de', 'en', 'fr', 'nl']

// Only the language and region of what is asked for: browsers have been seen to
// give tags that Intl refuses.
const wished = (navigator.languages ?? []).map((tag) => /^([a-z]{2})\b(?:.*-([a-z]{2})\b)?/i.exec(tag)).filter(Boolean)
const chosen = wished.find(([, l]) => languages.includes(l.toLowerCase()))
export const language = chosen ? chosen[1].toLowerCase() : 'en'

// locale is the form of dates, times and numbers: the region's, where it is known.
export const locale = !chosen ? 'en-GB' : chosen[2] ? language + '-' + chosen[2].toUpperCase() : language

// speaker makes what says the sentences of a list.
export function speaker(list) {
  const plural = new Intl.PluralRules(language), number = new Intl.NumberFormat(locale)
  return (key, args = {}) => {
    let text = list[key] ?? key
    if (typeof text !== 'string') text = text[plural.select(args.N)] ?? text.other
    return text.replace(/\{(\w+)\}/g, (whole, name) => typeof args[name] === 'number' ? number.format(args[name]) : args[name] ?? whole)
  }
}
