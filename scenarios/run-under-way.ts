/** A run of a plan while clusters work on it: what they share, and when it is over. */
import type { Check } from './check.ts';
import { CheckList } from './check-list.ts';
import type { PlannedRun } from './plan.ts';

/**
 * What a further cluster must find to be worth its start, which takes as long as a check does, and keeps a core busy:
 * so many checks for each of the clusters, itself included.
 */
const WORTH_A_CLUSTER = 3;

export class RunUnderWay {
  readonly planned: PlannedRun;
  readonly list: CheckList;
  /** Whether the first cluster came up. */
  readonly firstIsUp: Promise<boolean>;
  #tellFirst: (isUp: boolean) => void = () => {};
  #begun = 0;
  #working = 0;
  #hasFailed = false;
  /** Ids of checks without a finding. */
  readonly #open: Set<string>;

  constructor(planned: PlannedRun) {
    this.planned = planned;
    this.list = new CheckList(planned.checks);
    this.#open = new Set(planned.checks.map(({ id }) => id));
    this.firstIsUp = new Promise((resolve) => {
      this.#tellFirst = resolve;
    });
  }

  /** Returns the number of the cluster that begins, from 1. */
  enter(): number {
    this.#working += 1;
    this.#begun += 1;
    return this.#begun;
  }

  up(): void {
    this.#tellFirst(true);
  }

  /** A cluster of it failed: it gets no more of them. */
  failed(): void {
    this.#hasFailed = true;
  }

  found(check: string): void {
    this.#open.delete(check);
  }

  /** Returns whether it was the last cluster. */
  leave(): boolean {
    // Of the first one when it did not come up; later ones change nothing.
    this.#tellFirst(false);
    this.#working -= 1;
    return this.#working === 0;
  }

  /** Checks left for each cluster if there were one more; 0 where that is not wanted. */
  get share(): number {
    if (this.planned.mutant !== undefined || this.#hasFailed || this.#working === 0) return 0;
    const share = this.list.left / (this.#working + 1);
    return share < WORTH_A_CLUSTER ? 0 : share;
  }

  /** Begun or not, they have not ended. */
  get open(): Check[] {
    return this.planned.checks.filter(({ id }) => this.#open.has(id));
  }
}
