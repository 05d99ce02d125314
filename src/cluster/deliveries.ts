/**
 * What a worker has sent and not heard of yet: one at a time, so that it can score the next presample meanwhile, and
 * never has more than one that it may have to send again.
 */
export class Deliveries<Verdict> {
  #underWay: Promise<Verdict> | undefined;

  /**
   * Begins one, when the one before has been answered; if that was not `expected`, there is none to begin.
   * @returns the verdict on the one before; nothing before the first
   * @throws what the one before ended with
   */
  async begin(expected: Verdict, deliver: () => Promise<Verdict>): Promise<Verdict | undefined> {
    const before = await this.settled();
    if (before !== undefined && before !== expected) return before;
    this.#underWay = deliver();
    this.#underWay.catch(() => {}); // it is thrown where it is waited for
    return before;
  }

  /** Waits for the last one. @returns its verdict; nothing when there is none */
  async settled(): Promise<Verdict | undefined> {
    const underWay = this.#underWay;
    this.#underWay = undefined;
    return await underWay;
  }
}
