/** Sums over rows, and rows filled: the small change of a dense layer. */
import { load4, store4 } from './lanes';

/** out [columns] = the sum of x [rows, columns] over its rows. */
export function columnSums(x: usize, rows: i32, columns: i32, out: usize): void {
  memory.fill(out, 0, (<usize>columns) << 2);
  for (let row = 0; row < rows; row++) {
    for (let i = 0; i < columns; i += 4) {
      const at = (<usize>i) << 2;
      store4(out + at, f32x4.add(load4(out + at, columns - i), load4(x + at, columns - i)), columns - i);
    }
    x += (<usize>columns) << 2;
  }
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
