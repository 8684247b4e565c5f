/** Who may keep the machine busy: many checks of clusters that stand side by side, or one that needs it for itself. */

interface Waiting {
  readonly alone: boolean;
  readonly go: () => void;
}

/** First come, first served: nobody overtakes one that waits to be alone. */
export class Machine {
  readonly #queue: Waiting[] = [];
  #working = 0;
  #isTaken = false;

  /** Others may work at the same time, unless they want to be alone. */
  beside<T>(work: () => Promise<T>): Promise<T> {
    return this.#take(false, work);
  }

  /** Nobody else works at the same time. */
  alone<T>(work: () => Promise<T>): Promise<T> {
    return this.#take(true, work);
  }

  async #take<T>(alone: boolean, work: () => Promise<T>): Promise<T> {
    await new Promise<void>((go) => {
      this.#queue.push({ alone, go });
      this.#admit();
    });
    try {
      return await work();
    } finally {
      this.#working -= 1;
      this.#isTaken = false;
      this.#admit();
    }
  }

  #admit(): void {
    for (;;) {
      const [next] = this.#queue;
      if (next === undefined || this.#isTaken || (next.alone && this.#working > 0)) return;
      this.#queue.shift();
      this.#working += 1;
      this.#isTaken = next.alone;
      next.go();
    }
  }
}
