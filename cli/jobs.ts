/** Clusters that run side by side: how many, and how they are told. */
import { availableParallelism } from 'node:os';
import { InvalidArgumentError, Option } from 'commander';

/** A cluster in a check waits for most of the time, but its start does not: two keep two cores busy. */
const DEFAULT_JOBS = Math.min(2, availableParallelism());
const MAX_JOBS = 16;

/** @param what runs side by side, for the help */
export function jobsOption(what: string): Option {
  return new Option('--jobs <number>', what).argParser(parseJobs).default(DEFAULT_JOBS);
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
