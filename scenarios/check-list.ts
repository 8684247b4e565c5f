/** The checks of a run that nobody has begun yet. Its clusters take from them, each when it has ended one. */
import type { Check } from './check.ts';

export class CheckList {
  /** Checks with the same `run` share what it observes on a cluster (shared-observation.ts), and stay on one. */
  readonly #groups: Check[][];

  constructor(checks: readonly Check[]) {
    const groups = new Map<Check['run'], Check[]>();
    // Those that need the machine for themselves come first, while other clusters have not begun: later all must wait.
    for (const check of checks.toSorted((a, b) => Number(b.alone ?? false) - Number(a.alone ?? false))) {
      const group = groups.get(check.run);
      if (group === undefined) groups.set(check.run, [check]);
      else group.push(check);
    }
    this.#groups = [...groups.values()];
  }

  /** What can still be taken: a group counts as one. */
  get left(): number {
    return this.#groups.length;
  }

  /** Takes what is next, for as long as there is something: what harms a server comes last on every cluster. */
  *take(): Generator<Check> {
    for (let group = this.#groups.shift(); group !== undefined; group = this.#groups.shift()) yield* group;
  }
}
