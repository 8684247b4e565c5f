/** Clusters that run side by side: how many, and how they are told. */
import { availableParallelism } from 'node:os';
import { InvalidArgumentError, Option } from 'commander';

/**
 * Of healthy clusters: one more than there are cores. A check waits for most of its time: on two cores, three clusters
 * of edge-cluster kept the machine busy for half of it, and the whole gate for 62 % (docs/measuring.md). The whole gate
 * was never run with more than three.
 */
export const HEALTHY_JOBS = Math.min(4, availableParallelism() + 1);

/** Where mutants are to be killed: on two cores some ended `inconclusive` with more (docs/measuring.md). */
export const MUTANT_JOBS = Math.min(2, availableParallelism());

const MAX_JOBS = 16;

/** @param what runs side by side, for the help */
export function jobsOption(what: string, usual: number): Option {
  return new Option('--jobs <number>', what).argParser(parseJobs).default(usual);
}

function parseJobs(text: string): number {
  const jobs = Number(text);
  if (!Number.isInteger(jobs) || jobs < 1 || jobs > MAX_JOBS) {
    throw new InvalidArgumentError(`Jobs are a whole number from 1 to ${MAX_JOBS}.`);
  }
  return jobs;
}

/**
 * Prints what is told of runs that go on side by side, each in one piece: of one run as it comes, of the others when its
 * turn has come.
 */
export class Pieces<Run> {
  readonly #say: (line: string) => void;
  /** In the order in which they began; the first one is printed as it comes. */
  readonly #waiting = new Map<Run, { readonly lines: string[]; isOver: boolean }>();

  constructor(say: (line: string) => void) {
    this.#say = say;
  }

  begin(run: Run): void {
    this.#waiting.set(run, { lines: [], isOver: false });
  }

  tell(run: Run, line: string): void {
    const piece = this.#waiting.get(run);
    if (piece === undefined || this.#first === run) this.#say(line);
    else piece.lines.push(line);
  }

  end(run: Run): void {
    const piece = this.#waiting.get(run);
    if (piece === undefined) return;
    piece.isOver = true;
    if (this.#first === run) this.#next(run);
  }

  get #first(): Run | undefined {
    return this.#waiting.keys().next().value;
  }

  /** Those that are over are printed whole, then the next one goes on as it comes. */
  #next(over: Run): void {
    this.#waiting.delete(over);
    const ended = [...this.#waiting].filter(([, { isOver }]) => isOver);
    for (const [run, { lines }] of ended) {
      for (const line of lines) this.#say(line);
      this.#waiting.delete(run);
    }
    const first = this.#waiting.values().next().value;
    for (const line of first?.lines.splice(0) ?? []) this.#say(line);
  }
}
