// Times in the form of the reader: nobody has to guess whether 3/4 is in March or in
// April, nor to count back how long ago half past two was.

/** @param {string} tag */
const base = (tag) => tag.toLowerCase().split('-')[0]

/** @param {string} tag @returns {string | undefined} */
function region(tag) {
  try {
    return new Intl.Locale(tag).region
  } catch { // nothing that is a language
    return undefined
  }
}

// formOf is the language and region (BCP 47) in whose form times are written: the language
// is the page's, the region the reader's. reads are the languages of the browser, the
// dearest first. English of nowhere is not American: there the month comes first.
/** @param {string} lang @param {readonly string[]} reads */
export function formOf(lang, reads) {
  const same = reads.filter((tag) => base(tag) === base(lang) && region(tag) !== undefined)
  if (same[0] && base(reads[0]) === base(lang)) return same[0]
  const near = region(reads[0] ?? '')
  return near ? `${lang}-${near}` : same[0] ?? (lang === 'en' ? 'en-GB' : lang)
}

/** @param {Date} at midnight of its day, where the reader is */
const midnight = (at) => new Date(at.getFullYear(), at.getMonth(), at.getDate()).getTime()

// writer returns what writes a moment: how is the data-when of its element.
//
//   ""         day and minute
//   "day"      the day
//   "exact"    day and second
//   "ago"      how long ago, within a week; before that as ""
//   "ago day"  the same; before that as "day"
/** @param {string} form */
export function writer(form) {
  const moment = new Intl.DateTimeFormat(form, { dateStyle: 'medium', timeStyle: 'short' })
  const exact = new Intl.DateTimeFormat(form, { dateStyle: 'medium', timeStyle: 'medium' })
  const day = new Intl.DateTimeFormat(form, { dateStyle: 'medium' })
  const back = new Intl.RelativeTimeFormat(form, { numeric: 'auto' })

  // since is how long ago a moment of the last week was; empty: it was not in it. Clocks
  // that differ by less than a minute make nothing of the future.
  /** @param {Date} at @param {Date} now */
  function since(at, now) {
    const seconds = (now.getTime() - at.getTime()) / 1000
    if (seconds < -60) return ''
    if (seconds < 60) return back.format(0, 'second')
    if (seconds < 3600) return back.format(-Math.floor(seconds / 60), 'minute')
    const days = Math.round((midnight(now) - midnight(at)) / 864e5)
    if (days === 0) return back.format(-Math.floor(seconds / 3600), 'hour')
    return days < 7 ? back.format(-days, 'day') : ''
  }

  return {
    exact: /** @param {Date} at */ (at) => exact.format(at),
    /** @param {Date} at @param {string} how @param {Date} now */
    text(at, how, now) {
      const said = how.split(' ')
      const ago = said.includes('ago') ? since(at, now) : ''
      if (ago) return ago
      if (said.includes('day')) return day.format(at)
      return (said.includes('exact') ? exact : moment).format(at)
    },
  }
}
