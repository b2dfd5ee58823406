import assert from 'node:assert/strict'
import { beforeEach, test } from 'node:test'
import { give } from './browser.js'

// The browser's own reader finds what a picture or a frame has.
let looks = 0
class Reader {
  static getSupportedFormats() { return Promise.resolve(['ean_13', 'qr_code']) }
  detect(source) {
    looks++
    return Promise.resolve(source.texts.map((rawValue) => ({ rawValue })))
  }
}

const page = Object.assign(new EventTarget(), { hidden: false, createElement: () => ({}) })
give({
  BarcodeDetector: Reader, document: page, isSecureContext: true,
  createImageBitmap: async (blob) => {
    if (!blob.texts) throw new Error('not a picture')
    return { width: 1, height: 1, texts: blob.texts, close() {} }
  },
})
const { openCamera, readPicture } = await import('../app/scan.js')

test('of several codes in a picture the one for an authenticator app is meant', async () => {
  assert.equal(await readPicture({ texts: ['https://klinik.test', 'otpauth://totp/x', 'otpauth://totp/y'] }), 'otpauth://totp/x')
  assert.equal(await readPicture({ texts: ['https://klinik.test', 'WIFI:x'] }), 'https://klinik.test')
  assert.equal(await readPicture({}), null)
})

// camera is what a phone gives to a page.
function camera(more = {}) {
  const track = Object.assign(new EventTarget(), { stopped: 0, stop() { this.stopped++ }, getCapabilities: () => ({ torch: true }), getSettings: () => ({ torch: true }), applyConstraints: () => Promise.resolve() })
  const video = { HAVE_CURRENT_DATA: 2, readyState: 4, videoWidth: 640, videoHeight: 480, texts: [], play: () => Promise.resolve(), ...more }
  give({ navigator: { mediaDevices: { getUserMedia: () => Promise.resolve({ getVideoTracks: () => [track], getTracks: () => [track] }) } } })
  return { track, video }
}

const until = async (is) => { while (!is()) await new Promise((done) => setTimeout(done, 10)) }

beforeEach(() => { page.hidden = false; give({ isSecureContext: true }) })

test('a text is told once while it is in sight', async () => {
  const { track, video } = camera({ texts: ['otpauth://totp/x'] })
  const heard = []
  looks = 0
  const it = await openCamera(video, { onText: (text) => heard.push(text) })
  await until(() => looks > 3)
  assert.deepEqual(heard, ['otpauth://totp/x'])
  video.texts = ['otpauth://totp/x', 'otpauth://totp/y']
  await until(() => heard.length > 1)
  assert.deepEqual(heard, ['otpauth://totp/x', 'otpauth://totp/y'])
  assert.equal(it.hasTorch, true)
  assert.equal(await it.torch(true), true)
  it.stop()
  assert.equal(track.stopped, 1)
  assert.equal(video.srcObject, null)
  assert.equal(it.hasTorch, false)
  assert.equal(await it.torch(true), false)
})

test('nothing is told any more once it is stopped', async () => {
  const { video } = camera()
  const heard = [], stop = new AbortController()
  await openCamera(video, { onText: (text) => heard.push(text), signal: stop.signal })
  stop.abort()
  video.texts = ['otpauth://totp/x']
  const before = looks
  await new Promise((done) => setTimeout(done, 250))
  assert.deepEqual(heard, [])
  assert.ok(looks <= before + 1)
})

async function faults(video) {
  const heard = []
  await openCamera(video, { onFault: (fault) => heard.push(fault) })
  return heard
}

test('why a camera does not go has a name', async () => {
  for (const [name, kind] of [['NotAllowedError', 'denied'], ['NotReadableError', 'busy'], ['NotFoundError', 'none'], ['OverconstrainedError', 'none'], ['TypeError', 'failed']]) {
    const { video } = camera()
    give({ navigator: { mediaDevices: { getUserMedia: () => Promise.reject(Object.assign(new Error(name), { name })) } } })
    assert.deepEqual(await faults(video), [kind], name)
  }
  give({ isSecureContext: false })
  assert.deepEqual(await faults(camera().video), ['insecure'])
})
