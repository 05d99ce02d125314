/**
 * The parts of convolutions that are no matrix products, channels last.
 *
 * A patch matrix has one row for each output place and one column for each number that the filter sees there, in the
 * order of the filter: [outHeight * outWidth, filterHeight * filterWidth * channels]. Places in the padding are 0.
 */
import { load4, multiplyAdd, store4 } from './lanes';

/**
 * Writes the patch matrix of one image [height, width, channels], or, with `back`, adds its numbers to the places of the
 * image that they came from.
 */
export function movePatches(
  image: usize,
  matrix: usize,
  back: bool,
  height: i32,
  width: i32,
  channels: i32,
  filterHeight: i32,
  filterWidth: i32,
  strideHeight: i32,
  strideWidth: i32,
  dilationHeight: i32,
  dilationWidth: i32,
  padTop: i32,
  padLeft: i32,
  outHeight: i32,
  outWidth: i32,
): void {
  const bytes = (<usize>channels) << 2;
  for (let y = 0; y < outHeight; y++) {
    for (let x = 0; x < outWidth; x++) {
      for (let fy = 0; fy < filterHeight; fy++) {
        const row = y * strideHeight - padTop + fy * dilationHeight;
        for (let fx = 0; fx < filterWidth; fx++, matrix += bytes) {
          const column = x * strideWidth - padLeft + fx * dilationWidth;
          const place = image + <usize>(row * width + column) * bytes;
          const isInside = <u32>row < <u32>height && <u32>column < <u32>width;
          if (back) {
            if (isInside) add(matrix, place, channels);
          } else if (isInside) copy(place, matrix, channels);
          else memory.fill(matrix, 0, bytes);
        }
      }
    }
  }
}

/** Few numbers at a time: a loop is faster than a call of memory.copy. */
function copy(from: usize, to: usize, count: i32): void {
  for (let i = 0; i < count; i += 4, from += 16, to += 16) store4(to, load4(from, count - i), count - i);
}

function add(from: usize, to: usize, count: i32): void {
  for (let i = 0; i < count; i += 4, from += 16, to += 16) {
    const left = count - i;
    store4(to, f32x4.add(load4(to, left), load4(from, left)), left);
  }
}

/**
 * Gradients of a depthwise convolution over one image: of the filter [filterHeight, filterWidth, channels, multiplier]
 * if `dFilter` is not 0, of the image if `dImage` is not 0. Both are added to.
 */
export function depthwiseBackward(
  image: usize,
  filter: usize,
  dOut: usize,
  height: i32,
  width: i32,
  channels: i32,
  multiplier: i32,
  filterHeight: i32,
  filterWidth: i32,
  strideHeight: i32,
  strideWidth: i32,
  dilationHeight: i32,
  dilationWidth: i32,
  padTop: i32,
  padLeft: i32,
  outHeight: i32,
  outWidth: i32,
  dFilter: usize,
  dImage: usize,
): void {
  const bytes = (<usize>channels) << 2;
  const outBytes = bytes * multiplier;
  for (let y = 0; y < outHeight; y++) {
    for (let x = 0; x < outWidth; x++, dOut += outBytes) {
      for (let fy = 0; fy < filterHeight; fy++) {
        const row = y * strideHeight - padTop + fy * dilationHeight;
        if (<u32>row >= <u32>height) continue;
        for (let fx = 0; fx < filterWidth; fx++) {
          const column = x * strideWidth - padLeft + fx * dilationWidth;
          if (<u32>column >= <u32>width) continue;
          const at = <usize>(row * width + column) * bytes;
          const tap = <usize>(fy * filterWidth + fx) * outBytes;
          if (dFilter) filterGradient(image + at, dOut, dFilter + tap, channels, multiplier);
          if (dImage) imageGradient(filter + tap, dOut, dImage + at, channels, multiplier);
        }
      }
    }
  }
}

/** dFilter[c, m] += image[c] dOut[c, m]. */
function filterGradient(image: usize, dOut: usize, dFilter: usize, channels: i32, multiplier: i32): void {
  if (multiplier == 1) multiplyRows(image, dOut, dFilter, channels);
  else {
    for (let c = 0; c < channels; c++, image += 4) {
      for (let m = 0; m < multiplier; m++, dOut += 4, dFilter += 4) {
        store<f32>(dFilter, load<f32>(dFilter) + load<f32>(image) * load<f32>(dOut));
      }
    }
  }
}

/** dImage[c] += the sum over m of filter[c, m] dOut[c, m]. */
function imageGradient(filter: usize, dOut: usize, dImage: usize, channels: i32, multiplier: i32): void {
  if (multiplier == 1) multiplyRows(filter, dOut, dImage, channels);
  else {
    for (let c = 0; c < channels; c++, dImage += 4) {
      let sum = load<f32>(dImage);
      for (let m = 0; m < multiplier; m++, dOut += 4, filter += 4) sum += load<f32>(filter) * load<f32>(dOut);
      store<f32>(dImage, sum);
    }
  }
}

/** to += a b, number by number. */
function multiplyRows(a: usize, b: usize, to: usize, count: i32): void {
  for (let i = 0; i < count; i += 4, a += 16, b += 16, to += 16) {
    const left = count - i;
    store4(to, multiplyAdd(load4(a, left), load4(b, left), load4(to, left)), left);
  }
}
