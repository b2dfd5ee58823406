// Two readers of QR codes: the browser's own, where it has one that works, and
// zxing-wasm in a worker, of which nothing is loaded before it is needed.

const patience = 3000 // a reader of the system that never answers is none
const idle = 30000

/** @import { Found, Picture } from './decode-worker.js' */

/** @type {Promise<BarcodeDetector | null> | undefined} */
let own // a promise of the browser's own reader, or of null

// byBrowser returns the texts in a picture (a video, canvas or bitmap), or
// null when this browser cannot read QR codes by itself.
/** @param {ImageBitmapSource} source */
export async function byBrowser(source) {
  own ??= ownReader()
  const reader = await own
  if (!reader) return null
  try {
    const codes = await inTime(reader.detect(source))
    return codes.map((code) => code.rawValue).filter(Boolean)
  } catch {
    // It is there by name only: the system has no service for it.
    own = Promise.resolve(null)
    return null
  }
}

async function ownReader() {
  try {
    const formats = await inTime(BarcodeDetector.getSupportedFormats())
    return formats.includes('qr_code') ? new BarcodeDetector({ formats: ['qr_code'] }) : null
  } catch {
    return null
  }
}

/**
 * @template T
 * @param {Promise<T>} promise
 * @returns {Promise<T>}
 */
function inTime(promise) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('no answer')), patience)
    promise.then(resolve, reject).finally(() => clearTimeout(timer))
  })
}

/** @type {Worker | undefined} */
let worker
/** @type {ReturnType<typeof setTimeout> | undefined} */
let rest
let last = 0
/** @type {Map<number, { resolve: (texts: string[]) => void, reject: (err: Error) => void }>} */
const waiting = new Map()

// byZxing returns the texts in an ImageData, whose bytes it takes away. only
// says that no further picture follows, so that it may take its time.
/** @param {ImageData} image */
export function byZxing(image, only = false) {
  return ask({ image: { data: image.data, width: image.width, height: image.height }, only }, [image.data.buffer])
}

// warm loads zxing-wasm where it will be needed, while a person is still
// asked for the camera.
export async function warm() {
  own ??= ownReader()
  if (await own) return
  const blank = { data: new Uint8ClampedArray(4), width: 1, height: 1 }
  ask({ image: blank, only: false }).catch(() => {}) // whoever needs it will hear
}

/**
 * @param {Omit<Picture, 'id'>} message
 * @param {Transferable[]} transfer
 * @returns {Promise<string[]>}
 */
function ask(message, transfer = []) {
  return new Promise((resolve, reject) => {
    worker ??= start()
    clearTimeout(rest)
    const id = ++last
    waiting.set(id, { resolve, reject })
    worker.postMessage({ id, ...message }, transfer)
  })
}

function start() {
  const w = new Worker(new URL('./decode-worker.js', import.meta.url), { type: 'module' })
  w.addEventListener('message', (/** @type {MessageEvent<Found>} */ { data: { id, texts, fault } }) => {
    if (fault) return end(new Error(fault))
    waiting.get(id)?.resolve(texts ?? [])
    waiting.delete(id)
    // Its memory is worth giving back once nobody scans.
    if (!waiting.size) rest = setTimeout(end, idle)
  })
  w.addEventListener('error', (event) => {
    event.preventDefault()
    end(new Error(event.message || 'the reader did not load'))
  })
  return w
}

// end lets the worker go; the next picture starts a new one.
/** @param {Error} [err] who waits hears of it; nobody waits where there is none */
function end(err) {
  worker?.terminate()
  worker = undefined
  if (err) for (const { reject } of waiting.values()) reject(err)
  waiting.clear()
}
