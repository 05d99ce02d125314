/** Something that others wait for: whoever changes it says so, and all who wait look again. */
export class Condition {
  #waiting: (() => void)[] = [];

  changed(): void {
    const woken = this.#waiting;
    this.#waiting = [];
    for (const resolve of woken) resolve();
  }

  /** Resolves when `holds` does. What `holds` throws rejects it. */
  async until(holds: () => boolean): Promise<void> {
    while (!holds()) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }
}
