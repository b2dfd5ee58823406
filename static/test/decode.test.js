import assert from 'node:assert/strict'
import { test } from 'node:test'
import { give } from './browser.js'

// What waits for half a minute of rest does not keep the tests from ending.
const { setTimeout: real } = globalThis
give({ setTimeout: (fn, ms, ...args) => ms < 10_000 ? real(fn, ms, ...args) : real(fn, ms, ...args).unref() })

// A phone that has a reader by name only, so pictures go to the worker.
const sent = []
let answers = []
class Decoder extends EventTarget {
  constructor(url, options) {
    super()
    assert.match(String(url), /\/app\/decode-worker\.js$/)
    assert.deepEqual(options, { type: 'module' })
    Decoder.made++
  }
  postMessage(message, transfer) {
    sent.push({ message, transfer })
    const answer = answers.shift() ?? { texts: [] }
    queueMicrotask(() => {
      if (answer.dies) this.dispatchEvent(Object.assign(new Event('error', { cancelable: true }), { message: answer.dies }))
      else this.dispatchEvent(Object.assign(new Event('message'), { data: { id: message.id, ...answer } }))
    })
  }
  terminate() { Decoder.ended++ }
}
Decoder.made = Decoder.ended = 0

const drawn = []
const canvas = { getContext: () => ({ fillRect() {}, drawImage: (...args) => drawn.push(args.slice(1)), getImageData: (...[, , width, height]) => ({ width, height, data: new Uint8ClampedArray(4) }) }) }
give({
  Worker: Decoder, BarcodeDetector: { getSupportedFormats: () => Promise.reject(new Error('no service')) },
  document: { createElement: () => canvas }, createImageBitmap: async (blob) => ({ ...blob, close() {} }),
})
const { readPicture } = await import('../app/scan.js')
const { byBrowser, byZxing } = await import('../app/decode.js')

const picture = { width: 4000, height: 3000 }
const sizes = () => sent.splice(0).map(({ message: { image, only } }) => [image.width, image.height, only])

test('a picture is looked at in several sizes, until one of them says something', async () => {
  assert.equal(await byBrowser(picture), null)
  answers = [{ texts: [] }, { texts: ['WIFI:x', 'otpauth://totp/x'] }]
  assert.equal(await readPicture(picture), 'otpauth://totp/x')
  assert.deepEqual(sizes(), [[1200, 900, true], [2400, 1800, true]])
  assert.equal(await readPicture(picture), null)
  assert.deepEqual(sizes(), [[1200, 900, true], [2400, 1800, true], [4000, 3000, true]])
  assert.equal(await readPicture({ width: 300, height: 200 }), null)
  assert.deepEqual(sizes(), [[300, 200, true], [600, 400, true], [1200, 800, true]])
})

test('the bytes of a picture are handed over, not copied', async () => {
  const image = { width: 1, height: 1, data: new Uint8ClampedArray(4) }
  await byZxing(image)
  assert.deepEqual(sent.splice(0)[0].transfer, [image.data.buffer])
})

test('who reads nothing because the reader failed is told so, and the next picture has a new one', async () => {
  answers = [{ fault: 'out of memory' }, { dies: 'did not load' }]
  const made = Decoder.made
  await assert.rejects(readPicture(picture), /out of memory/)
  await assert.rejects(readPicture(picture), /did not load/)
  assert.equal(Decoder.ended, 2)
  answers = [{ texts: ['otpauth://totp/x'] }]
  assert.equal(await readPicture(picture), 'otpauth://totp/x')
  assert.equal(Decoder.made, made + 2)
})
