// Cuts from videos and pictures what a reader of pixels looks at.

// Some phones draw nothing at all on a larger canvas.
const most = 16e6

/** @type {HTMLCanvasElement | undefined} */
let canvas // one for all: phones have little memory for them

// cut returns a part of a source as ImageData, scaled.
/** @param {CanvasImageSource} source @param {number} x @param {number} y @param {number} width @param {number} height @param {number} scale */
function cut(source, x, y, width, height, scale) {
  canvas ??= document.createElement('canvas')
  canvas.width = Math.max(1, Math.round(width * scale))
  canvas.height = Math.max(1, Math.round(height * scale))
  const ink = /** @type {CanvasRenderingContext2D} */ (canvas.getContext('2d', { willReadFrequently: true }))
  ink.imageSmoothingQuality = 'high'
  ink.fillStyle = '#fff' // beneath a picture that one can see through
  ink.fillRect(0, 0, canvas.width, canvas.height)
  ink.drawImage(source, x, y, width, height, 0, 0, canvas.width, canvas.height)
  return ink.getImageData(0, 0, canvas.width, canvas.height)
}

// free gives back the memory of the last cut.
export function free() {
  if (canvas) canvas.width = canvas.height = 0
}

// look returns what the n-th look at a camera sees. In turn: the middle, where
// people aim; all of it; and the inmost part made larger, for a code that is
// far away or faint. A module of three pixels is read well at two such looks in
// three, and every time at the last.
/** @param {CanvasImageSource} source @param {number} width @param {number} height @param {number} n */
export function look(source, width, height, n) {
  const side = Math.min(width, height)
  switch (n % 3) {
    case 0: return centre(source, width, height, side, Math.min(1, 1080 / side))
    case 1: return cut(source, 0, 0, width, height, Math.min(1, 1280 / Math.max(width, height)))
    default: return centre(source, width, height, side / 2, Math.min(2, 2160 / side))
  }
}

/** @param {CanvasImageSource} source @param {number} width @param {number} height @param {number} side @param {number} scale */
function centre(source, width, height, side, scale) {
  return cut(source, (width - side) / 2, (height - side) / 2, side, side, scale)
}

// stages yields a picture that there is only one of at several sizes. Scaled
// down a photo is read in no time, and without its noise; a small code needs all
// there is; in a small picture it gains by more than that.
/** @param {ImageBitmap} picture */
export function* stages(picture) {
  const { width, height } = picture, long = Math.max(width, height)
  const full = Math.min(1, Math.sqrt(most / (width * height)))
  const scales = [1200 / long, 2400 / long].filter((s) => s < full * 0.8)
  scales.push(full)
  if (long <= 1200) scales.push(2)
  if (long <= 600) scales.push(4)
  for (const scale of scales) yield cut(picture, 0, 0, width, height, scale)
}
