import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formOf, writer } from '../js/when.js'

test('the language is of the page, the region of the reader', () => {
  for (const [lang, reads, form] of [
    ['en', ['en-GB', 'en'], 'en-GB'],
    ['en', ['en-US'], 'en-US'],
    ['en', ['en', 'en-AU'], 'en-AU'],
    ['en', ['de-DE', 'en-US', 'en'], 'en-DE'], // American English is only what comes with the browser
    ['de', ['en-GB', 'de-CH'], 'de-GB'],
    ['nl', ['nl', 'fr-BE'], 'nl'],
    ['fr', ['de', 'fr-CH'], 'fr-CH'],
    ['en', ['en'], 'en-GB'],
    ['en', ['en-US@posix', 'en-GB'], 'en-GB'], // Intl would refuse it
    ['de', [], 'de'],
    ['en', [], 'en-GB'],
  ]) {
    assert.equal(formOf(lang, reads), form, `${lang} for ${reads}`)
    assert.ok(writer(formOf(lang, reads)))
  }
})

test('the day stands in the form of the reader', () => {
  const at = new Date(2026, 2, 4, 15, 4, 5)
  for (const [form, how, want] of [
    ['en-GB', 'day', '4 Mar 2026'],
    ['en-US', 'day', 'Mar 4, 2026'],
    ['de', 'day', '04.03.2026'],
    ['en-GB', '', '4 Mar 2026, 15:04'],
    ['en-GB', 'exact', '4 Mar 2026, 15:04:05'],
    ['de', 'exact', '04.03.2026, 15:04:05'],
  ]) assert.equal(writer(form).text(at, how, at), want, `${form} ${how}`)
})

test('how long ago it was, within a week', () => {
  const now = new Date(2026, 2, 14, 12, 30, 0)
  for (const [at, how, want] of [
    [new Date(2026, 2, 14, 12, 29, 30), 'ago', 'now'],
    [new Date(2026, 2, 14, 12, 30, 40), 'ago', 'now'], // a clock that is fast
    [new Date(2026, 2, 14, 12, 26, 30), 'ago', '3 minutes ago'],
    [new Date(2026, 2, 14, 11, 30, 1), 'ago', '59 minutes ago'],
    [new Date(2026, 2, 14, 0, 10, 0), 'ago', '12 hours ago'],
    [new Date(2026, 2, 13, 23, 50, 0), 'ago', 'yesterday'],
    [new Date(2026, 2, 12, 23, 50, 0), 'ago', '2 days ago'],
    [new Date(2026, 2, 8, 0, 0, 0), 'ago day', '6 days ago'],
    [new Date(2026, 2, 7, 12, 0, 0), 'ago day', '7 Mar 2026'],
    [new Date(2026, 2, 7, 12, 0, 0), 'ago', '7 Mar 2026, 12:00'],
    [new Date(2026, 2, 15, 12, 0, 0), 'ago', '15 Mar 2026, 12:00'],
  ]) assert.equal(writer('en-GB').text(at, how, now), want, String(at))
  // At ten past midnight, a quarter of an hour ago is no day ago.
  assert.equal(writer('en-GB').text(new Date(2026, 2, 13, 23, 55), 'ago', new Date(2026, 2, 14, 0, 10)), '15 minutes ago')
  assert.equal(writer('de').text(new Date(2026, 2, 13, 12, 0), 'ago', now), 'gestern')
  assert.equal(writer('fr').text(new Date(2026, 2, 14, 12, 27), 'ago', now), 'il y a 3 minutes')
  assert.equal(writer('nl').text(new Date(2026, 2, 12, 12, 0), 'ago', now), 'eergisteren')
})
