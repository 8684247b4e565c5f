/** Values that expire, in the memory of one proxy. */

/** The oldest goes when there are more. */
const MAX_VALUES = 100_000;
const SWEEP_MS = 10_000;

export class SharedValues {
  readonly #values = new Map<string, { readonly value: string; readonly until: number }>();
  readonly #sweeper = setInterval(() => this.#sweep(), SWEEP_MS).unref();

  put(key: string, value: string, ttlMs: number): void {
    this.#values.delete(key);
    if (this.#values.size >= MAX_VALUES) this.#values.delete(this.#values.keys().next().value!);
    this.#values.set(key, { value, until: performance.now() + ttlMs });
  }

  get(key: string): string | undefined {
    const found = this.#values.get(key);
    return found && found.until > performance.now() ? found.value : undefined;
  }

  close(): void {
    clearInterval(this.#sweeper);
  }

  #sweep(): void {
    const now = performance.now();
    for (const [key, { until }] of this.#values) if (until <= now) this.#values.delete(key);
  }
}
