// Reads QR codes from the camera and from pictures.

import { byBrowser, byZxing, warm } from './decode.js'
import { free, look, stages } from './pixels.js'

/** @typedef {'denied' | 'busy' | 'none' | 'insecure' | 'failed'} Trouble */
/** @typedef {{ stop: () => void, torch: (on: boolean) => Promise<boolean>, readonly hasTorch: boolean }} Camera */

const every = 100 // ms from one look to the next, at least
const quietFor = 2000 // ms in which a text is told once

// What getUserMedia rejects with, as a page tells it apart.
/** @type {Record<string, Trouble>} */
const faults = {
  NotAllowedError: 'denied', SecurityError: 'denied',
  NotReadableError: 'busy', AbortError: 'busy',
  NotFoundError: 'none', OverconstrainedError: 'none',
}

// openCamera shows the rear camera in a video element and reads from it until
// stopped: onText hears each text, onFault once why it does not go (on):
// denied, busy, none, insecure or failed. What is returned works in either case.
// hasTorch is asked when the button is to be shown; some phones know it late.
/**
 * @param {HTMLVideoElement} video
 * @param {{ onText?: (text: string) => void, onFault?: (kind: Trouble) => void, signal?: AbortSignal }} options
 * @returns {Promise<Camera>}
 */
export async function openCamera(video, { onText, onFault, signal } = {}) {
  /** @type {MediaStream | undefined} */
  let stream
  let over = false, openedAt = 0
  /** @type {Map<string, number>} when a text was told, in milliseconds since 1970 */
  const told = new Map()

  const track = () => stream?.getVideoTracks()[0]

  function release() {
    for (const t of stream?.getTracks() ?? []) t.stop()
    stream = undefined
    video.srcObject = null
  }

  function stop() {
    over = true
    signal?.removeEventListener('abort', stop)
    release()
  }

  /** @param {Trouble} kind */
  function fail(kind) {
    if (over) return
    stop()
    onFault?.(kind)
  }

  async function open() {
    if (!isSecureContext) return fail('insecure')
    try {
      const fresh = await navigator.mediaDevices.getUserMedia({
        audio: false,
        video: { facingMode: { ideal: 'environment' }, width: { ideal: 1920 }, height: { ideal: 1080 } },
      })
      stream = fresh
      if (over) return release() // stopped while the person was asked
      openedAt = Date.now()
      track()?.addEventListener('ended', () => { if (stream === fresh) reopen() })
      video.muted = true
      video.playsInline = true
      video.srcObject = stream
    } catch (err) {
      return fail(faults[err.name] ?? 'failed')
    }
    try {
      await video.play()
      focus(track())
    } catch {
      fail('failed')
    }
  }

  // A phone takes the camera away from a page in the background, and does not
  // give it back by itself. One that goes at once will go again.
  async function reopen() {
    release()
    await visible()
    if (over) return
    if (Date.now() - openedAt < 3000) return fail('failed')
    await open()
  }

  async function follow() {
    for (let n = 0; !over; n++) {
      const begun = Date.now()
      /** @type {string[]} */
      let texts = []
      try {
        if (document.hidden) {
          await visible()
          if (stream && video.paused) await video.play().catch(() => {})
        } else if (video.srcObject && video.readyState >= video.HAVE_CURRENT_DATA && video.videoWidth) {
          texts = await byBrowser(video) ?? await byZxing(look(video, video.videoWidth, video.videoHeight, n))
        }
      } catch {
        return fail('failed')
      }
      if (!document.hidden) texts.forEach(tell)
      await sleep(every - (Date.now() - begun))
    }
  }

  /** @param {string} text */
  function tell(text) {
    const now = Date.now()
    if (over || now - (told.get(text) ?? 0) < quietFor) return
    told.set(text, now)
    queueMicrotask(() => { if (!over) onText?.(text) }) // its mistakes are its own
  }

  /** @param {boolean} on */
  async function torch(on) {
    const lamp = track()
    if (!lamp) return false
    try {
      await lamp.applyConstraints({ advanced: [{ torch: on }] })
      return Boolean(lamp.getSettings().torch ?? on)
    } catch {
      return false
    }
  }

  if (signal?.aborted) over = true
  signal?.addEventListener('abort', stop)
  if (!over) {
    warm()
    await open()
    follow()
  }
  return { stop, torch, get hasTorch() { return Boolean(track()?.getCapabilities?.().torch) } }
}

// focus asks for what phones do not all do by themselves.
/** @param {MediaStreamTrack} [track] */
function focus(track) {
  const modes = track?.getCapabilities?.().focusMode ?? []
  if (modes.includes('continuous')) track?.applyConstraints({ advanced: [{ focusMode: 'continuous' }] }).catch(() => {})
}

// readPicture returns the text of a QR code in a picture from a file, or null.
// Of several it prefers the one that an authenticator app is for. It rejects when
// what reads cannot be loaded, which is not the picture's fault.
/** @param {Blob} blob */
export async function readPicture(blob) {
  let picture
  try {
    picture = await createImageBitmap(blob)
  } catch {
    return null // not a picture
  }
  try {
    let text = best(await byBrowser(picture))
    if (text !== null) return text
    for (const image of stages(picture)) {
      text = best(await byZxing(image, true))
      if (text !== null) return text
    }
    return null
  } finally {
    picture.close()
    free()
  }
}

/** @param {string[] | null} texts */
function best(texts) {
  return texts?.find((text) => text.startsWith('otpauth:')) ?? texts?.[0] ?? null
}

/** @param {number} ms */
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, Math.max(0, ms)))

/** @returns {Promise<void>} */
function visible() {
  if (!document.hidden) return Promise.resolve()
  return new Promise((resolve) => {
    document.addEventListener('visibilitychange', () => resolve(visible()), { once: true })
  })
}
