/**
 * The recurrence of an LSTM over a whole sequence, forward and backward.
 *
 *     i, f, o = gate(z)   g = tanh(z)   c = f c' + i g   h = o tanh(c)      with z = x Wx + b + h' Wh
 *
 * Arrays are batch-major: gates [B, T, 4H] in the order i, f, g, o, outputs and cells [B, T, H], mask [B, T] or 0.
 * A masked step repeats the state before it.
 */
import { gemmPacked, packWhole } from './gemm';
import { gate4, gateSlope4, load4, multiplyAdd, store4, tanh4, tanhSlope4 } from './lanes';

function isMasked(mask: usize, index: i32): bool {
  return mask != 0 && load<f32>(mask + ((<usize>index) << 2)) == 0;
}

/** `gates` holds x Wx + b on entry and the activated gates on return. `packed` has room for Wh, `scratch` for a product. */
export function lstmForward(
  gates: usize,
  outputs: usize,
  cells: usize,
  h0: usize,
  c0: usize,
  recurrent: usize,
  mask: usize,
  batch: i32,
  steps: i32,
  size: i32,
  hard: i32,
  packed: usize,
  scratch: usize,
): void {
  packWhole(recurrent, size * 4, 0, size * 4, size, packed);
  const row = (<usize>size) << 2;
  for (let t = 0; t < steps; t++) {
    const z = gates + row * 4 * t;
    const h = outputs + row * t;
    const hStride = t == 0 ? size : steps * size;
    const hBefore = t == 0 ? h0 : h - row;
    const cBefore = t == 0 ? c0 : cells + row * (t - 1);
    gemmPacked(hBefore, hStride, packed, z, steps * size * 4, batch, size * 4, size, 1, scratch);
    for (let b = 0; b < batch; b++) {
      const offset = row * steps * b;
      const before = ((<usize>hStride) << 2) * b;
      if (isMasked(mask, b * steps + t)) {
        memory.copy(h + offset, hBefore + before, row);
        memory.copy(cells + row * t + offset, cBefore + before, row);
      } else cellForward(z + offset * 4, cBefore + before, h + offset, cells + row * t + offset, size, hard);
    }
  }
}

function cellForward(z: usize, cBefore: usize, h: usize, c: usize, size: i32, hard: i32): void {
  const row = (<usize>size) << 2;
  for (let j = 0; j < size; j += 4) {
    const left = size - j;
    const input = gate4(load4(z, left), hard);
    const forget = gate4(load4(z + row, left), hard);
    const candidate = tanh4(load4(z + row * 2, left));
    const output = gate4(load4(z + row * 3, left), hard);
    const cell = multiplyAdd(forget, load4(cBefore, left), f32x4.mul(input, candidate));
    store4(z, input, left);
    store4(z + row, forget, left);
    store4(z + row * 2, candidate, left);
    store4(z + row * 3, output, left);
    store4(c, cell, left);
    store4(h, f32x4.mul(output, tanh4(cell)), left);
    z += 16;
    cBefore += 16;
    h += 16;
    c += 16;
  }
}

/**
 * Fills dz [B, T, 4H] from dOutputs [B, T, H]. `dh` and `dc` [B, H] hold the gradients of the last state on entry and
 * those of the first on return.
 */
export function lstmBackward(
  gates: usize,
  cells: usize,
  c0: usize,
  recurrent: usize,
  mask: usize,
  dOutputs: usize,
  dz: usize,
  dh: usize,
  dc: usize,
  batch: i32,
  steps: i32,
  size: i32,
  hard: i32,
  packed: usize,
  scratch: usize,
): void {
  packWhole(recurrent, size * 4, 1, size, size * 4, packed);
  const row = (<usize>size) << 2;
  for (let t = steps - 1; t >= 0; t--) {
    for (let b = 0; b < batch; b++) {
      const offset = row * (steps * b + t);
      const carry = row * b;
      const cBefore = t == 0 ? c0 + carry : cells + offset - row;
      const from = dOutputs + offset;
      if (isMasked(mask, b * steps + t)) {
        memory.fill(dz + offset * 4, 0, row * 4);
        addRow(dh + carry, from, size);
      } else
        cellBackward(
          gates + offset * 4,
          cells + offset,
          cBefore,
          from,
          dz + offset * 4,
          dh + carry,
          dc + carry,
          size,
          hard,
        );
    }
    gemmPacked(dz + row * 4 * t, steps * size * 4, packed, dh, size, batch, size, size * 4, 1, scratch);
  }
}

/** to += from. */
export function addRow(to: usize, from: usize, size: i32): void {
  for (let j = 0; j < size; j += 4, to += 16, from += 16) {
    store4(to, f32x4.add(load4(to, size - j), load4(from, size - j)), size - j);
  }
}

function cellBackward(
  gates: usize,
  c: usize,
  cBefore: usize,
  dOutput: usize,
  dz: usize,
  dh: usize,
  dc: usize,
  size: i32,
  hard: i32,
): void {
  const row = (<usize>size) << 2;
  for (let j = 0; j < size; j += 4) {
    const left = size - j;
    const input = load4(gates, left);
    const forget = load4(gates + row, left);
    const candidate = load4(gates + row * 2, left);
    const output = load4(gates + row * 3, left);
    const squashed = tanh4(load4(c, left));
    const dHidden = f32x4.add(load4(dOutput, left), load4(dh, left));
    const dCell = multiplyAdd(f32x4.mul(dHidden, output), tanhSlope4(squashed), load4(dc, left));
    store4(dz, f32x4.mul(f32x4.mul(dCell, candidate), gateSlope4(input, hard)), left);
    store4(dz + row, f32x4.mul(f32x4.mul(dCell, load4(cBefore, left)), gateSlope4(forget, hard)), left);
    store4(dz + row * 2, f32x4.mul(f32x4.mul(dCell, input), tanhSlope4(candidate)), left);
    store4(dz + row * 3, f32x4.mul(f32x4.mul(dHidden, squashed), gateSlope4(output, hard)), left);
    store4(dc, f32x4.mul(dCell, forget), left);
    store4(dh, f32x4.splat(0), left);
    gates += 16;
    c += 16;
    cBefore += 16;
    dOutput += 16;
    dz += 16;
    dh += 16;
    dc += 16;
  }
}
