/** Clusters that run side by side: how many, and how they are told. */
import { availableParallelism } from 'node:os';
import { InvalidArgumentError, Option } from 'commander';

/**
 * Of healthy clusters: two for each core. A check waits for most of its time: four clusters keep two cores busy for less
 * than half of it (docs/measuring.md). The whole gate was never run with more than five.
 */
export const HEALTHY_JOBS = Math.min(5, 2 * availableParallelism());

/** Where mutants are to be killed: each is a cluster that has to start (docs/measuring.md). */
export const MUTANT_JOBS = Math.min(3, availableParallelism() + 1);

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
