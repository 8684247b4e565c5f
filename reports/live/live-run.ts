/** A run while it goes on: its results so far, and who wants to know of them. */
import type { Results } from '../results.ts';
import { maskDeep } from '../secrets.ts';

export class LiveRun {
  #results: Results;
  /** Made when somebody asks: it costs some milliseconds with hundreds of findings. */
  #masked: Results | undefined;
  #isOver = false;
  readonly #listeners = new Set<() => void>();

  constructor(results: Results) {
    this.#results = results;
  }

  /** Secrets are masked. The same object until there is something new. */
  get results(): Results {
    this.#masked ??= maskDeep(this.#results);
    return this.#masked;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** Figures of the moment. Nothing is changed any more when it is over. */
  update(results: Results): void {
    if (this.#isOver) return;
    this.#become(results);
  }

  /** The results that the run leaves behind. */
  finish(results: Results): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#become(results);
  }

  /** Returns the function that ends the subscription. */
  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #become(results: Results): void {
    this.#results = results;
    this.#masked = undefined;
    for (const listener of [...this.#listeners]) listener();
  }
}
