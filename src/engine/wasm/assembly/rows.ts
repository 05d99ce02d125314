/** Sums over rows, and rows filled: the small change of a dense layer. */
import { load4, multiplyAdd, store4 } from './lanes';

/** Rows whose sum is taken before it goes to the total, so that rounding errors do not add up over long columns. */
const BLOCK: i32 = 128;

/** out [columns] = `scale` times the sum of x [rows, columns] over its rows. */
export function columnSums(x: usize, rows: i32, columns: i32, scale: f32, out: usize): void {
  let column = 0;
  for (; column + 16 <= columns; column += 16)
    sumSixteen(x + ((<usize>column) << 2), rows, columns, scale, out + ((<usize>column) << 2));
  for (; column < columns; column += 4)
    sumFour(x + ((<usize>column) << 2), rows, columns, scale, out + ((<usize>column) << 2), columns - column);
}

function sumSixteen(x: usize, rows: i32, columns: i32, scale: f32, out: usize): void {
  const zero = f32x4.splat(0);
  let t0 = zero;
  let t1 = zero;
  let t2 = zero;
  let t3 = zero;
  const step = (<usize>columns) << 2;
  for (let from = 0; from < rows; from += BLOCK) {
    let s0 = zero;
    let s1 = zero;
    let s2 = zero;
    let s3 = zero;
    for (let row = min(BLOCK, rows - from); row > 0; row--, x += step) {
      s0 = f32x4.add(s0, v128.load(x));
      s1 = f32x4.add(s1, v128.load(x, 16));
      s2 = f32x4.add(s2, v128.load(x, 32));
      s3 = f32x4.add(s3, v128.load(x, 48));
    }
    t0 = f32x4.add(t0, s0);
    t1 = f32x4.add(t1, s1);
    t2 = f32x4.add(t2, s2);
    t3 = f32x4.add(t3, s3);
  }
  const factor = f32x4.splat(scale);
  v128.store(out, f32x4.mul(t0, factor));
  v128.store(out, f32x4.mul(t1, factor), 16);
  v128.store(out, f32x4.mul(t2, factor), 32);
  v128.store(out, f32x4.mul(t3, factor), 48);
}

function sumFour(x: usize, rows: i32, columns: i32, scale: f32, out: usize, left: i32): void {
  let total = f32x4.splat(0);
  const step = (<usize>columns) << 2;
  for (let from = 0; from < rows; from += BLOCK) {
    let sum = f32x4.splat(0);
    for (let row = min(BLOCK, rows - from); row > 0; row--, x += step) sum = f32x4.add(sum, load4(x, left));
    total = f32x4.add(total, sum);
  }
  store4(out, f32x4.mul(total, f32x4.splat(scale)), left);
}

/** Every row of out [rows, columns] becomes `row`. */
export function fillRows(out: usize, rows: i32, columns: i32, row: usize): void {
  const bytes = (<usize>columns) << 2;
  for (let i = 0; i < rows; i++) memory.copy(out + <usize>i * bytes, row, bytes);
}

/** out [batch, steps, size] = the state before each step: `first` [batch, size], then states [batch, steps, size] one step late. */
export function previousStates(states: usize, first: usize, batch: i32, steps: i32, size: i32, out: usize): void {
  const row = (<usize>size) << 2;
  const sequence = row * steps;
  for (let b = 0; b < batch; b++) {
    memory.copy(out, first + <usize>b * row, row);
    memory.copy(out + row, states, sequence - row);
    states += sequence;
    out += sequence;
  }
}

/** out[segment[i], :] += x[i, :] for x [rows, columns]; a negative segment is dropped, as is one of `segments` or more. */
export function segmentSum(x: usize, segment: usize, rows: i32, columns: i32, segments: i32, out: usize): void {
  memory.fill(out, 0, (<usize>segments * columns) << 2);
  for (let row = 0; row < rows; row++, x += (<usize>columns) << 2) {
    const target = load<i32>(segment + ((<usize>row) << 2));
    if (<u32>target >= <u32>segments) continue;
    const to = out + ((<usize>target * columns) << 2);
    for (let i = 0; i < columns; i += 4) {
      const at = (<usize>i) << 2;
      store4(to + at, f32x4.add(load4(to + at, columns - i), load4(x + at, columns - i)), columns - i);
    }
  }
}

/** out = x * factor + offset, both [columns], for each row of x [rows, columns]. */
export function scaleRows(x: usize, rows: i32, columns: i32, factor: usize, offset: usize, out: usize): void {
  for (let row = 0; row < rows; row++) {
    for (let i = 0; i < columns; i += 4, x += 16, out += 16) {
      const at = (<usize>i) << 2;
      const left = columns - i;
      store4(out, multiplyAdd(load4(x, left), load4(factor + at, left), load4(offset + at, left)), left);
    }
    x -= (<usize>((4 - (columns & 3)) & 3)) << 2;
    out -= (<usize>((4 - (columns & 3)) & 3)) << 2;
  }
}
