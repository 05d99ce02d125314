const bars = '▁▂▃▄▅▆▇█';

/** A curve of any length in a few characters: each is the mean of its share of the values so far. */
export class Sparkline {
  readonly #width: number;
  #means: number[] = [];
  #perBin = 1;
  #sum = 0;
  #count = 0;

  /** @param width characters at most, an even number */
  constructor(width: number) {
    this.#width = width;
  }

  add(value: number): void {
    if (!Number.isFinite(value)) return;
    this.#sum += value;
    this.#count += 1;
    if (this.#count < this.#perBin) return;
    this.#means.push(this.#sum / this.#count);
    [this.#sum, this.#count] = [0, 0];
    if (this.#means.length >= 2 * this.#width) this.#halve();
  }

  /** Two bins become one, so memory stays bounded. */
  #halve(): void {
    this.#means = pairs(this.#means);
    this.#perBin *= 2;
  }

  toString(): string {
    const means = this.#means.length > this.#width ? pairs(this.#means) : this.#means;
    const [low, high] = [Math.min(...means), Math.max(...means)];
    const level = (value: number) => (high > low ? Math.round(((value - low) / (high - low)) * (bars.length - 1)) : 0);
    return means.map((value) => bars[level(value)]).join('');
  }
}

const pairs = (values: readonly number[]): number[] =>
  Array.from({ length: Math.floor(values.length / 2) }, (_, i) => (values[2 * i]! + values[2 * i + 1]!) / 2);
