/**
 * TensorBoard's `Event` message (tensorflow/core/util/event.proto, framework/summary.proto), written by hand: the fields
 * used here are few, and a protobuf library would be larger than they are.
 */

/** One field: its number and wire type, then its value. */
const tag = (field: number, wire: 0 | 1 | 2 | 5): number[] => varint(field * 8 + wire);

function varint(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  while (rest >= 0x80) {
    bytes.push((rest % 0x80) + 0x80);
    rest = Math.floor(rest / 0x80);
  }
  return [...bytes, rest];
}

const float64 = (values: ArrayLike<number>): Buffer => {
  const bytes = Buffer.alloc(8 * values.length);
  for (let i = 0; i < values.length; i++) bytes.writeDoubleLE(values[i]!, 8 * i);
  return bytes;
};
const doubleField = (field: number, value: number): Buffer =>
  Buffer.concat([Buffer.from(tag(field, 1)), float64([value])]);
const intField = (field: number, value: number): Buffer => Buffer.from([...tag(field, 0), ...varint(value)]);
const bytesField = (field: number, bytes: Uint8Array): Buffer =>
  Buffer.concat([Buffer.from([...tag(field, 2), ...varint(bytes.length)]), bytes]);
const textField = (field: number, text: string): Buffer => bytesField(field, Buffer.from(text, 'utf8'));

function floatField(field: number, value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeFloatLE(value);
  return Buffer.concat([Buffer.from(tag(field, 5)), bytes]);
}

/** What one step shows: numbers and histograms, by tag. */
export interface EventValues {
  readonly scalars?: Readonly<Record<string, number>>;
  readonly histograms?: Readonly<Record<string, ArrayLike<number>>>;
}

/** `Event.file_version`, the first record of each file. */
export const versionEvent = (seconds: number): Buffer =>
  Buffer.concat([doubleField(1, seconds), textField(3, 'brain.Event:2')]);

/** `Event.session_log` START: TensorBoard forgets what it has of this step and later ones, which will come again. */
export const startEvent = (seconds: number, step: number): Buffer =>
  Buffer.concat([doubleField(1, seconds), intField(2, step), bytesField(7, intField(1, 1))]);

/** `Event.summary`. @param seconds since 1970 */
export function summaryEvent(seconds: number, step: number, { scalars = {}, histograms = {} }: EventValues): Buffer {
  const values = [
    ...Object.entries(scalars).map(([name, value]) => scalarValue(name, value)),
    ...Object.entries(histograms).map(([name, numbers]) =>
      bytesField(1, Buffer.concat([textField(1, name), bytesField(5, histogram(numbers))])),
    ),
  ];
  const length = values.reduce((sum, value) => sum + value.length, 0);
  const head = [doubleField(1, seconds), intField(2, step), Buffer.from([...tag(5, 2), ...varint(length)])];
  return Buffer.concat([...head, ...values]);
}

/** Everything of a scalar but its number, which is the last thing in it: made once for each tag. */
const scalarHeads = new Map<string, Buffer>();

/** `Summary.Value` of one number, as a field of the summary. */
function scalarValue(name: string, value: number): Buffer {
  let head = scalarHeads.get(name);
  if (!head) {
    const whole = bytesField(1, Buffer.concat([textField(1, name), floatField(2, 0)]));
    head = whole.subarray(0, whole.length - 4);
    scalarHeads.set(name, head);
  }
  const field = Buffer.allocUnsafe(head.length + 4);
  field.set(head);
  field.writeFloatLE(value, head.length);
  return field;
}

/** Buckets of a histogram: equally wide, from the smallest value to the largest. */
const bucketCount = 30;

/** `HistogramProto`: min, max, number, sum, sum of squares, and the buckets' upper limits and counts. */
function histogram(numbers: ArrayLike<number>): Buffer {
  let [min, max, sum, squares] = [Infinity, -Infinity, 0, 0];
  for (let i = 0; i < numbers.length; i++) {
    const value = numbers[i]!;
    [min, max] = [Math.min(min, value), Math.max(max, value)];
    sum += value;
    squares += value * value;
  }
  const width = (max - min) / bucketCount || Math.max(Math.abs(max), 1e-12) / bucketCount;
  const counts = new Float64Array(bucketCount);
  for (let i = 0; i < numbers.length; i++)
    counts[Math.min(bucketCount - 1, Math.max(0, Math.ceil((numbers[i]! - min) / width) - 1))]! += 1;
  const limits = counts.map((_, bucket) => min + width * (bucket + 1));
  return Buffer.concat([
    ...[min, max, numbers.length, sum, squares].map((value, i) => doubleField(i + 1, value)),
    bytesField(6, float64(limits)),
    bytesField(7, float64(counts)),
  ]);
}
