/** A run while it goes on: its results so far, and who wants to know of them. */
import type { Results } from '../results.ts';
import { maskDeep } from '../secrets.ts';

export class LiveRun {
  #results: Results;
  #isOver = false;
  readonly #listeners = new Set<() => void>();

  constructor(results: Results) {
    this.#results = maskDeep(results);
  }

  /** Secrets are masked. */
  get results(): Results {
    return this.#results;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** Figures of the moment. Nothing is changed any more when it is over. */
  update(results: Results): void {
    if (this.#isOver) return;
    this.#results = maskDeep(results);
    this.#tell();
  }

  /** The results that the run leaves behind. */
  finish(results: Results): void {
    if (this.#isOver) return;
    this.#results = maskDeep(results);
    this.#isOver = true;
    this.#tell();
  }

  /** Returns the function that ends the subscription. */
  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #tell(): void {
    for (const listener of [...this.#listeners]) listener();
  }
}
