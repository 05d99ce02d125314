/** Gradients of pooling, channels last. */
import { load4, store4 } from './lanes';

/**
 * Gradient of max pooling over one image, added to dImage: dOut goes to the first of the largest numbers in each window.
 */
export function maxPoolBackward(
  image: usize,
  dOut: usize,
  height: i32,
  width: i32,
  channels: i32,
  filterHeight: i32,
  filterWidth: i32,
  strideHeight: i32,
  strideWidth: i32,
  padTop: i32,
  padLeft: i32,
  outHeight: i32,
  outWidth: i32,
  dImage: usize,
): void {
  const bytes = (<usize>channels) << 2;
  for (let y = 0; y < outHeight; y++) {
    const firstRow = max(0, y * strideHeight - padTop);
    const endRow = min(height, y * strideHeight - padTop + filterHeight);
    for (let x = 0; x < outWidth; x++, dOut += bytes) {
      const firstColumn = max(0, x * strideWidth - padLeft);
      const endColumn = min(width, x * strideWidth - padLeft + filterWidth);
      for (let c = 0; c < channels; c += 4) {
        const left = channels - c;
        const at = (<usize>c) << 2;
        let largest = f32x4.splat(-Infinity);
        let place = i32x4.splat(-1);
        for (let row = firstRow; row < endRow; row++) {
          for (let column = firstColumn; column < endColumn; column++) {
            const index = row * width + column;
            const value = load4(image + <usize>index * bytes + at, left);
            const isLarger = f32x4.gt(value, largest);
            largest = v128.bitselect(value, largest, isLarger);
            place = v128.bitselect(i32x4.splat(index), place, isLarger);
          }
        }
        const gradient = load4(dOut + at, left);
        for (let row = firstRow; row < endRow; row++) {
          for (let column = firstColumn; column < endColumn; column++) {
            const index = row * width + column;
            const here = v128.and(gradient, i32x4.eq(place, i32x4.splat(index)));
            const to = dImage + <usize>index * bytes + at;
            store4(to, f32x4.add(load4(to, left), here), left);
          }
        }
      }
    }
  }
}
