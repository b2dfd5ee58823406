import assert from 'node:assert/strict'
import { test } from 'node:test'
import { give } from './browser.js'

let n = 0
// asks is language.js in a browser that asks for languages.
async function asks(languages) {
  give({ navigator: { languages } })
  return import('../app/language.js?' + n++)
}

test('the first language that is asked for and spoken', async () => {
  for (const [languages, language, locale] of [
    [['nl-BE', 'nl', 'en'], 'nl', 'nl-BE'],
    [['de'], 'de', 'de'],
    [['fi-FI', 'fr-CH', 'de'], 'fr', 'fr-CH'],
    [['EN-gb'], 'en', 'en-GB'],
    [['de-Latn-AT-1996'], 'de', 'de-AT'],
    [['fi-FI'], 'en', 'en-GB'], // nobody has asked for English: dates are not American
    [['en-US@posix'], 'en', 'en-US'], // Intl would refuse it
    [['deu', 'c', '', 'nl'], 'nl', 'nl'],
    [[], 'en', 'en-GB'],
    [undefined, 'en', 'en-GB'],
  ]) {
    const got = await asks(languages)
    assert.deepEqual([got.language, got.locale], [language, locale], String(languages))
    assert.equal(typeof got.speaker({}), 'function') // Intl takes the locale
  }
})

test('sentences name, count and keep what they do not know', async () => {
  const { speaker } = await asks(['de-DE'])
  const t = speaker({ plain: 'Ja', of: '{Name} bei {Site}', in: { one: 'In {N} Sekunde', other: 'In {N} Sekunden' } })
  assert.equal(t('plain'), 'Ja')
  assert.equal(t('of', { Name: 'anna', Site: '{Name}' }), 'anna bei {Name}')
  assert.equal(t('of', { Name: '' }), ' bei {Site}')
  assert.equal(t('of', { Name: 'مستشفى (A)', Site: '東京' }), '\u2068مستشفى (A)\u2069 bei 東京')
  assert.equal(t('in', { N: 1 }), 'In 1 Sekunde')
  assert.equal(t('in', { N: 0 }), 'In 0 Sekunden')
  assert.equal(t('in', { N: 1234.5 }), 'In 1.234,5 Sekunden')
  assert.equal(t('none'), 'none')
})

test('French counts nothing as one', async () => {
  const { speaker } = await asks(['fr'])
  const t = speaker({ in: { one: '{N} seconde', other: '{N} secondes' } })
  assert.deepEqual([0, 1, 2].map((N) => t('in', { N })), ['0 seconde', '1 seconde', '2 secondes'])
})

test('a page speaks the language that was asked for, notifications too', async () => {
  give({ navigator: { languages: ['nl-BE'] }, document: { documentElement: {} } })
  const { t, words } = await import('../app/words.js')
  await words
  assert.equal(document.documentElement.lang, 'nl')
  assert.equal(t('add.back'), 'Terug')
  assert.equal(t('push.generic'), 'Aanmeldverzoek')
})

test('every language has every sentence', async () => {
  for (const list of ['notes', 'words']) {
    const english = Object.keys((await import(`../app/${list}.en.js`)).default)
    for (const language of ['de', 'fr', 'nl']) assert.deepEqual(Object.keys((await import(`../app/${list}.${language}.js`)).default), english, list + '.' + language)
  }
})
