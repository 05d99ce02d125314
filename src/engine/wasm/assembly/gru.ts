/**
 * The recurrence of a GRU (the reset gate acts before the product, as in Keras' `resetAfter: false`).
 *
 *     u, r = gate(x Wx + b + h' Wh)   n = tanh(x Wx + b + (r h') Wn)   h = u h' + (1 - u) n
 *
 * Arrays are batch-major: gates [B, T, 3H] in the order u, r, n, outputs [B, T, H], mask [B, T] or 0.
 */
import { gemmPacked, packWhole } from './gemm';
import { gate4, gateSlope4, load4, multiplyAdd, store4, tanh4, tanhSlope4 } from './lanes';
import { addRow } from './lstm';

function isMasked(mask: usize, index: i32): bool {
  return mask != 0 && load<f32>(mask + ((<usize>index) << 2)) == 0;
}

/** `gates` holds x Wx + b on entry. `reset` [B, T, H] becomes r h'. `packed` has room for the whole of Wh. */
export function gruForward(
  gates: usize,
  outputs: usize,
  reset: usize,
  h0: usize,
  recurrent: usize,
  mask: usize,
  batch: i32,
  steps: i32,
  size: i32,
  hard: i32,
  packed: usize,
  packedN: usize,
  scratch: usize,
): void {
  packWhole(recurrent, size * 3, 0, size * 2, size, packed);
  packWhole(recurrent + ((<usize>size) << 3), size * 3, 0, size, size, packedN);
  const row = (<usize>size) << 2;
  for (let t = 0; t < steps; t++) {
    const z = gates + row * 3 * t;
    const h = outputs + row * t;
    const hStride = t == 0 ? size : steps * size;
    const hBefore = t == 0 ? h0 : h - row;
    gemmPacked(hBefore, hStride, packed, z, steps * size * 3, batch, size * 2, size, 1, scratch);
    for (let b = 0; b < batch; b++) {
      const offset = row * steps * b;
      gatesForward(z + offset * 3, hBefore + ((<usize>hStride) << 2) * b, reset + row * t + offset, size, hard);
    }
    gemmPacked(reset + row * t, steps * size, packedN, z + row * 2, steps * size * 3, batch, size, size, 1, scratch);
    for (let b = 0; b < batch; b++) {
      const offset = row * steps * b;
      const before = hBefore + ((<usize>hStride) << 2) * b;
      if (isMasked(mask, b * steps + t)) memory.copy(h + offset, before, row);
      else stateForward(z + offset * 3, before, h + offset, size);
    }
  }
}

function gatesForward(z: usize, hBefore: usize, reset: usize, size: i32, hard: i32): void {
  const row = (<usize>size) << 2;
  for (let j = 0; j < size; j += 4, z += 16, hBefore += 16, reset += 16) {
    const left = size - j;
    const resetGate = gate4(load4(z + row, left), hard);
    store4(z, gate4(load4(z, left), hard), left);
    store4(z + row, resetGate, left);
    store4(reset, f32x4.mul(resetGate, load4(hBefore, left)), left);
  }
}

function stateForward(z: usize, hBefore: usize, h: usize, size: i32): void {
  const row = (<usize>size) << 2;
  for (let j = 0; j < size; j += 4, z += 16, hBefore += 16, h += 16) {
    const left = size - j;
    const update = load4(z, left);
    const candidate = tanh4(load4(z + row * 2, left));
    store4(z + row * 2, candidate, left);
    store4(h, multiplyAdd(update, f32x4.sub(load4(hBefore, left), candidate), candidate), left);
  }
}

/** Fills dz [B, T, 3H] from dOutputs [B, T, H]; `dh` [B, H] as in `lstmBackward`, `dReset` [B, H] is scratch. */
export function gruBackward(
  gates: usize,
  outputs: usize,
  h0: usize,
  recurrent: usize,
  mask: usize,
  dOutputs: usize,
  dz: usize,
  dh: usize,
  dReset: usize,
  batch: i32,
  steps: i32,
  size: i32,
  hard: i32,
  packed: usize,
  packedN: usize,
  scratch: usize,
): void {
  packWhole(recurrent, size * 3, 1, size, size * 2, packed);
  packWhole(recurrent + ((<usize>size) << 3), size * 3, 1, size, size, packedN);
  const row = (<usize>size) << 2;
  for (let t = steps - 1; t >= 0; t--) {
    for (let b = 0; b < batch; b++) {
      const offset = row * (steps * b + t);
      const before = t == 0 ? h0 + row * b : outputs + offset - row;
      addRow(dh + row * b, dOutputs + offset, size);
      if (isMasked(mask, b * steps + t)) memory.fill(dz + offset * 3, 0, row * 3);
      else stateBackward(gates + offset * 3, before, dz + offset * 3, dh + row * b, size, hard);
    }
    gemmPacked(dz + row * (3 * t + 2), steps * size * 3, packedN, dReset, size, batch, size, size, 0, scratch);
    for (let b = 0; b < batch; b++) {
      const offset = row * (steps * b + t);
      const before = t == 0 ? h0 + row * b : outputs + offset - row;
      if (!isMasked(mask, b * steps + t))
        resetBackward(gates + offset * 3, before, dz + offset * 3, dh + row * b, dReset + row * b, size, hard);
    }
    gemmPacked(dz + row * 3 * t, steps * size * 3, packed, dh, size, batch, size, size * 2, 1, scratch);
  }
}

function stateBackward(gates: usize, hBefore: usize, dz: usize, dh: usize, size: i32, hard: i32): void {
  const row = (<usize>size) << 2;
  for (let j = 0; j < size; j += 4, gates += 16, hBefore += 16, dz += 16, dh += 16) {
    const left = size - j;
    const update = load4(gates, left);
    const candidate = load4(gates + row * 2, left);
    const dHidden = load4(dh, left);
    const dCandidate = f32x4.mul(dHidden, f32x4.sub(f32x4.splat(1), update));
    const dUpdate = f32x4.mul(dHidden, f32x4.sub(load4(hBefore, left), candidate));
    store4(dz, f32x4.mul(dUpdate, gateSlope4(update, hard)), left);
    store4(dz + row * 2, f32x4.mul(dCandidate, tanhSlope4(candidate)), left);
    store4(dh, f32x4.mul(dHidden, update), left);
  }
}

function resetBackward(gates: usize, hBefore: usize, dz: usize, dh: usize, dReset: usize, size: i32, hard: i32): void {
  const row = (<usize>size) << 2;
  for (let j = 0; j < size; j += 4, gates += 16, hBefore += 16, dz += 16, dh += 16, dReset += 16) {
    const left = size - j;
    const resetGate = load4(gates + row, left);
    const from = load4(dReset, left);
    store4(dz + row, f32x4.mul(f32x4.mul(from, load4(hBefore, left)), gateSlope4(resetGate, hard)), left);
    store4(dh, multiplyAdd(from, resetGate, load4(dh, left)), left);
  }
}
