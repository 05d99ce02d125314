/** Pixels in memory, row after row, channels last: `data` is [H, W, C]. */
export interface Picture {
  readonly data: Uint8Array;
  readonly height: number;
  readonly width: number;
  /** 1 (grey) or 3 (red, green, blue). */
  readonly channels: number;
}

/** A rectangle of a picture, in pixels. */
export interface Rectangle {
  readonly top: number;
  readonly left: number;
  readonly height: number;
  readonly width: number;
}

/** An empty picture of the same size. */
const blank = ({ data, ...size }: Picture): Picture => ({ ...size, data: new Uint8Array(data.length) });

/** Mirrors left and right. @returns owned by the caller */
export function flipped(picture: Picture): Picture {
  const { data, height, width, channels } = picture;
  const result = blank(picture);
  const into = result.data;
  const row = width * channels;
  let to = 0;
  for (let y = 0; y < height; y++)
    for (let from = (y + 1) * row - channels; from >= y * row; from -= channels) {
      into[to++] = data[from]!;
      if (channels === 1) continue;
      into[to++] = data[from + 1]!; // written out: a loop over three channels takes four times as long
      into[to++] = data[from + 2]!;
    }
  return result;
}

/** Moves a picture: what leaves it is gone, what comes in is `fill`. @returns owned by the caller */
export function moved(picture: Picture, down: number, right: number, fill: number): Picture {
  const { data, height, width, channels } = picture;
  const result = blank(picture);
  if (fill !== 0) result.data.fill(fill);
  const row = width * channels;
  const [first, last] = [Math.max(0, right), Math.min(width, width + right)];
  if (first >= last) return result;
  for (let y = Math.max(0, down); y < Math.min(height, height + down); y++) {
    const from = (y - down) * row + (first - right) * channels;
    result.data.set(data.subarray(from, from + (last - first) * channels), y * row + first * channels);
  }
  return result;
}

/** Stretches a rectangle of a picture to the whole of it, bilinear between pixel centres. @returns owned by the caller */
export function stretched(picture: Picture, rectangle: Rectangle): Picture {
  const { data, height, width, channels } = picture;
  const result = blank(picture);
  const rows = taps(height, rectangle.top, rectangle.height);
  const columns = taps(width, rectangle.left, rectangle.width);
  let to = 0;
  for (let y = 0; y < height; y++) {
    const [upper, lower] = [rows.low[y]! * width, rows.high[y]! * width];
    const v = rows.share[y]!;
    for (let x = 0; x < width; x++) {
      const [left, right] = [columns.low[x]!, columns.high[x]!];
      const h = columns.share[x]!;
      for (let c = 0; c < channels; c++) {
        const above = data[(upper + left) * channels + c]! * (1 - h) + data[(upper + right) * channels + c]! * h;
        const below = data[(lower + left) * channels + c]! * (1 - h) + data[(lower + right) * channels + c]! * h;
        result.data[to++] = Math.round(above * (1 - v) + below * v);
      }
    }
  }
  return result;
}

/** For each of `size` places along an axis, the two pixels of a stretch that it lies between, and the second's share. */
function taps(size: number, start: number, length: number) {
  const [low, high, share] = [new Int32Array(size), new Int32Array(size), new Float64Array(size)];
  for (let i = 0; i < size; i++) {
    const at = Math.min(length - 1, Math.max(0, ((i + 0.5) * length) / size - 0.5));
    low[i] = start + Math.floor(at);
    high[i] = start + Math.min(length - 1, Math.floor(at) + 1);
    share[i] = at - Math.floor(at);
  }
  return { low, high, share };
}

/** A map of the plane as `[a, b, c, d, e, f]`: the pixel at (x, y) comes from (a·x + b·y + c, d·x + e·y + f). */
export type Affine = readonly [number, number, number, number, number, number];

/** Takes each pixel from where the map says, the nearest one; `fill` from outside. @returns owned by the caller */
export function warped(picture: Picture, [a, b, c, d, e, f]: Affine, fill: number): Picture {
  const { data, height, width, channels } = picture;
  const result = blank(picture);
  let to = 0;
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const fromX = Math.floor(a * (x + 0.5) + b * (y + 0.5) + c);
      const fromY = Math.floor(d * (x + 0.5) + e * (y + 0.5) + f);
      const isInside = fromX >= 0 && fromX < width && fromY >= 0 && fromY < height;
      const from = (fromY * width + fromX) * channels;
      for (let channel = 0; channel < channels; channel++) result.data[to++] = isInside ? data[from + channel]! : fill;
    }
  return result;
}
