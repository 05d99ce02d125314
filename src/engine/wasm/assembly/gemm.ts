/**
 * Matrix product of row-major float32 matrices, either of them transposed:
 *     C[m, n] (+)= A[m, k] · B[k, n]
 *
 * B is packed into panels of 8 columns and A into strips of 4 rows, so that the innermost loop reads both without
 * gaps, whatever the transposes; 8 accumulators of 4 lanes stay in registers. Blocks keep a panel of B in the first
 * level cache and a block of A in the second.
 *
 * Pointers are byte offsets into the memory shared with the TensorFlow.js backend, strides count elements.
 */
import { multiplyAdd } from './lanes';

/** Depth of a block: a panel of B takes 8 * 256 * 4 bytes = 8 KiB. */
const DEPTH: i32 = 256;
/** Rows of a block of A: 128 * 256 * 4 bytes = 128 KiB. */
const ROWS: i32 = 128;

function roundUp(value: i32, multiple: i32): i32 {
  return ((value + multiple - 1) / multiple) * multiple;
}

/** Bytes of scratch that `gemm` needs. */
export function gemmScratchBytes(n: i32, k: i32): i32 {
  const depth = min(k, DEPTH);
  return (roundUp(n, 8) * depth + ROWS * depth + 32) * 4;
}

/** Bytes that `packRight` writes for the whole of B. */
export function packedRightBytes(n: i32, k: i32): i32 {
  return roundUp(n, 8) * k * 4;
}

/** Packs rows `fromRow` to `fromRow + depth` of B [k, n] (stored [n, k] if `transposed`) into panels [n / 8][depth][8]. */
function packRight(b: usize, stride: i32, transposed: i32, n: i32, fromRow: i32, depth: i32, packed: usize): void {
  let to = packed;
  for (let column = 0; column < n; column += 8) {
    const width = min(8, n - column);
    if (transposed) packColumns(b + ((<usize>column * stride + fromRow) << 2), stride, width, depth, 8, to);
    else packRows(b + ((<usize>fromRow * stride + column) << 2), stride, width, depth, 8, to);
    to += (<usize>depth * 8) << 2;
  }
}

/** Packs `rows` rows of A [m, k] (stored [k, m] if `transposed`) into strips [rows / 4][depth][4]. */
function packLeft(
  a: usize,
  stride: i32,
  transposed: i32,
  fromRow: i32,
  rows: i32,
  fromDepth: i32,
  depth: i32,
  packed: usize,
): void {
  let to = packed;
  for (let row = 0; row < rows; row += 4) {
    const width = min(4, rows - row);
    if (transposed) packRows(a + ((<usize>fromDepth * stride + fromRow + row) << 2), stride, width, depth, 4, to);
    else packColumns(a + ((<usize>(fromRow + row) * stride + fromDepth) << 2), stride, width, depth, 4, to);
    to += (<usize>depth * 4) << 2;
  }
}

/** Copies `depth` rows of `width` consecutive numbers, padded with zeros to `padded` (4 or 8). */
function packRows(from: usize, stride: i32, width: i32, depth: i32, padded: i32, to: usize): void {
  const step = (<usize>stride) << 2;
  if (width == 8) {
    for (let p = 0; p < depth; p++, from += step, to += 32) {
      v128.store(to, v128.load(from));
      v128.store(to, v128.load(from, 16), 16);
    }
  } else if (width == 4 && padded == 4) {
    for (let p = 0; p < depth; p++, from += step, to += 16) v128.store(to, v128.load(from));
  } else {
    for (let p = 0; p < depth; p++, from += step, to += (<usize>padded) << 2) {
      for (let i = 0; i < padded; i++) {
        store<f32>(to + ((<usize>i) << 2), i < width ? load<f32>(from + ((<usize>i) << 2)) : <f32>0);
      }
    }
  }
}

/** Transposes `width` rows of `depth` consecutive numbers into `depth` rows of `padded` (4 or 8). */
function packColumns(from: usize, stride: i32, width: i32, depth: i32, padded: i32, to: usize): void {
  for (let first = 0; first < padded; first += 4) {
    packFourColumns(
      from + ((<usize>first * stride) << 2),
      stride,
      min(4, max(0, width - first)),
      depth,
      padded,
      to + ((<usize>first) << 2),
    );
  }
}

function packFourColumns(from: usize, stride: i32, width: i32, depth: i32, padded: i32, to: usize): void {
  const row = (<usize>stride) << 2;
  const step = (<usize>padded) << 2;
  let p = 0;
  if (width == 4) {
    for (; p + 4 <= depth; p += 4, from += 16, to += step << 2) {
      const r0 = v128.load(from);
      const r1 = v128.load(from + row);
      const r2 = v128.load(from + row * 2);
      const r3 = v128.load(from + row * 3);
      const low01 = v128.shuffle<f32>(r0, r1, 0, 4, 1, 5);
      const high01 = v128.shuffle<f32>(r0, r1, 2, 6, 3, 7);
      const low23 = v128.shuffle<f32>(r2, r3, 0, 4, 1, 5);
      const high23 = v128.shuffle<f32>(r2, r3, 2, 6, 3, 7);
      v128.store(to, v128.shuffle<f32>(low01, low23, 0, 1, 4, 5));
      v128.store(to + step, v128.shuffle<f32>(low01, low23, 2, 3, 6, 7));
      v128.store(to + step * 2, v128.shuffle<f32>(high01, high23, 0, 1, 4, 5));
      v128.store(to + step * 3, v128.shuffle<f32>(high01, high23, 2, 3, 6, 7));
    }
  }
  for (; p < depth; p++, from += 4, to += step) {
    for (let i = 0; i < 4; i++) {
      store<f32>(to + ((<usize>i) << 2), i < width ? load<f32>(from + <usize>i * row) : <f32>0);
    }
  }
}

/** One strip of 4 rows times one panel of 8 columns, added to or written over C. `rows` and `columns` cut the edges off. */
function tile(
  strip: usize,
  panel: usize,
  depth: i32,
  c: usize,
  stride: i32,
  rows: i32,
  columns: i32,
  accumulate: i32,
  edge: usize,
): void {
  let c00 = f32x4.splat(0);
  let c01 = c00;
  let c10 = c00;
  let c11 = c00;
  let c20 = c00;
  let c21 = c00;
  let c30 = c00;
  let c31 = c00;
  const end = strip + ((<usize>depth) << 4);
  while (strip < end) {
    const b0 = v128.load(panel);
    const b1 = v128.load(panel, 16);
    let a = v128.load_splat<u32>(strip);
    c00 = multiplyAdd(a, b0, c00);
    c01 = multiplyAdd(a, b1, c01);
    a = v128.load_splat<u32>(strip, 4);
    c10 = multiplyAdd(a, b0, c10);
    c11 = multiplyAdd(a, b1, c11);
    a = v128.load_splat<u32>(strip, 8);
    c20 = multiplyAdd(a, b0, c20);
    c21 = multiplyAdd(a, b1, c21);
    a = v128.load_splat<u32>(strip, 12);
    c30 = multiplyAdd(a, b0, c30);
    c31 = multiplyAdd(a, b1, c31);
    strip += 16;
    panel += 32;
  }
  if (columns == 8) {
    const step = (<usize>stride) << 2;
    writeRow(c, c00, c01, accumulate);
    if (rows > 1) writeRow(c + step, c10, c11, accumulate);
    if (rows > 2) writeRow(c + step * 2, c20, c21, accumulate);
    if (rows > 3) writeRow(c + step * 3, c30, c31, accumulate);
  } else {
    writeEdge(c, c00, c01, columns, accumulate, edge);
    const step = (<usize>stride) << 2;
    if (rows > 1) writeEdge(c + step, c10, c11, columns, accumulate, edge);
    if (rows > 2) writeEdge(c + step * 2, c20, c21, columns, accumulate, edge);
    if (rows > 3) writeEdge(c + step * 3, c30, c31, columns, accumulate, edge);
  }
}

function writeRow(c: usize, low: v128, high: v128, accumulate: i32): void {
  if (accumulate) {
    low = f32x4.add(v128.load(c), low);
    high = f32x4.add(v128.load(c, 16), high);
  }
  v128.store(c, low);
  v128.store(c, high, 16);
}

function writeEdge(c: usize, low: v128, high: v128, columns: i32, accumulate: i32, edge: usize): void {
  v128.store(edge, low);
  v128.store(edge, high, 16);
  for (let i = 0; i < columns; i++) {
    const at = (<usize>i) << 2;
    store<f32>(c + at, accumulate ? load<f32>(c + at) + load<f32>(edge + at) : load<f32>(edge + at));
  }
}

/** Multiplies a block of A by rows of B that are packed already, `depth` deep. */
function multiplyBlock(
  a: usize,
  aStride: i32,
  aTransposed: i32,
  fromDepth: i32,
  depth: i32,
  packedB: usize,
  c: usize,
  cStride: i32,
  m: i32,
  n: i32,
  accumulate: i32,
  scratch: usize,
): void {
  const packedA = scratch + 32;
  for (let row = 0; row < m; row += ROWS) {
    const rows = min(ROWS, m - row);
    packLeft(a, aStride, aTransposed, row, rows, fromDepth, depth, packedA);
    let panel = packedB;
    for (let column = 0; column < n; column += 8) {
      let strip = packedA;
      let to = c + ((<usize>row * cStride + column) << 2);
      for (let i = 0; i < rows; i += 4) {
        tile(strip, panel, depth, to, cStride, min(4, rows - i), min(8, n - column), accumulate, scratch);
        strip += (<usize>depth) << 4;
        to += (<usize>cStride) << 4;
      }
      panel += (<usize>depth) << 5;
    }
  }
}

/** C [m, n] (+)= A [m, k] · B [k, n]; `scratch` has room for `gemmScratchBytes(n, k)`. */
export function gemm(
  a: usize,
  aStride: i32,
  aTransposed: i32,
  b: usize,
  bStride: i32,
  bTransposed: i32,
  c: usize,
  cStride: i32,
  m: i32,
  n: i32,
  k: i32,
  accumulate: i32,
  scratch: usize,
): void {
  const packedB = scratch + ((<usize>ROWS * min(k, DEPTH) + 8) << 2);
  for (let from = 0; from < k; from += DEPTH) {
    const depth = min(DEPTH, k - from);
    packRight(b, bStride, bTransposed, n, from, depth, packedB);
    multiplyBlock(
      a,
      aStride,
      aTransposed,
      from,
      depth,
      packedB,
      c,
      cStride,
      m,
      n,
      accumulate || from > 0 ? 1 : 0,
      scratch,
    );
  }
}

/** Packs the whole of B for `gemmPacked`: block after block of 256 rows. */
export function packWhole(b: usize, bStride: i32, bTransposed: i32, n: i32, k: i32, packed: usize): void {
  for (let from = 0; from < k; from += DEPTH) {
    packRight(b, bStride, bTransposed, n, from, min(DEPTH, k - from), packed + ((<usize>from * roundUp(n, 8)) << 2));
  }
}

/** C [m, n] += A [m, k] · B, with B packed by `packWhole`: for a B that is used again and again. */
export function gemmPacked(
  a: usize,
  aStride: i32,
  packedB: usize,
  c: usize,
  cStride: i32,
  m: i32,
  n: i32,
  k: i32,
  accumulate: i32,
  scratch: usize,
): void {
  for (let from = 0; from < k; from += DEPTH) {
    const block = packedB + ((<usize>from * roundUp(n, 8)) << 2);
    multiplyBlock(
      a,
      aStride,
      0,
      from,
      min(DEPTH, k - from),
      block,
      c,
      cStride,
      m,
      n,
      accumulate || from > 0 ? 1 : 0,
      scratch,
    );
  }
}
