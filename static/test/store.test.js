import assert from 'node:assert/strict'
import { beforeEach, test } from 'node:test'
import { change, drop, keep, kept, keptOne } from '../app/store.js'
import { codeAt, codeKey, makeKey, signs } from '../app/sign.js'
import './browser.js'

const account = async (id) => ({ id, issuer: 'https://home.test', site: 'Home', name: 'anna', state: 'active', offset: 0, at: 1, ...await makeKey() })

beforeEach(async () => { for (const a of await kept()) await drop(a.id) })

test('an account is kept whole, with keys that work and cannot be taken away', async () => {
  const a = { ...await account('a'), codes: await codeKey('GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ'), digits: 8, period: 30 }
  await keep(a)
  const there = await keptOne('a')
  assert.equal(there.name, 'anna')
  assert.equal(await signs(there), true)
  assert.equal(there.key.extractable, false)
  assert.equal(await codeAt(there, 59), '94287082')
})

test('what is dropped is gone', async () => {
  await keep(await account('a'))
  await keep(await account('b'))
  await drop('a')
  assert.deepEqual((await kept()).map((a) => a.id), ['b'])
  assert.equal(await keptOne('a'), undefined)
})

test('a change is of what it names, here and there', async () => {
  const a = await account('a')
  await keep(a)
  const page = { ...a, trouble: 'offline' }
  await change(page, { offset: 7 })
  assert.equal(page.offset, 7)
  const there = await keptOne('a')
  assert.equal(there.offset, 7)
  assert.equal(there.trouble, undefined)
  assert.equal(await signs(there), true)
})

test('changes of page and worker at once are both kept', async () => {
  const a = await account('a')
  await keep(a)
  await Promise.all([change({ ...a }, { offset: 7 }), change({ ...a }, { push: 'null' }), change({ ...a }, { phone: 'Pixel' })])
  const { offset, push, phone } = await keptOne('a')
  assert.deepEqual({ offset, push, phone }, { offset: 7, push: 'null', phone: 'Pixel' })
})

test('who was dropped does not come back by a change', async () => {
  const a = await account('a')
  await keep(a)
  await drop('a')
  await change(a, { offset: 7 })
  assert.deepEqual(await kept(), [])
})

test('when somebody clears what the site keeps, it begins anew', async () => {
  await keep(await account('a'))
  await new Promise((done, failed) => {
    const r = indexedDB.deleteDatabase('hilum')
    r.onsuccess = done
    r.onerror = r.onblocked = failed
  })
  assert.deepEqual(await kept(), [])
  await keep(await account('b'))
  assert.deepEqual((await kept()).map((a) => a.id), ['b'])
})

test('a value that cannot be kept is a fault, and nothing is kept', async () => {
  await assert.rejects(keep({ ...await account('a'), name: () => {} }))
  assert.deepEqual(await kept(), [])
})
