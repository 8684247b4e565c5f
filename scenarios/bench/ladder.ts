/** The search for the largest value that holds: geometric up to the first that does not, then bisection. */

/** What one step came to. */
export interface Tried {
  readonly value: number;
  readonly holds: boolean;
}

export interface LadderOptions {
  readonly start: number;
  readonly limit: number;
  /** Of one step to the next, above 1. */
  readonly factor: number;
  /** Bisection ends when the two ends are within this ratio of each other, or are neighbours. */
  readonly resolution: number;
  /** True when there is no time for another step. */
  readonly isOver: () => boolean;
}

/** How a ladder ended. `bracketed`: between two ends; `limit`: everything held; `time`: neither, for want of time. */
export type LadderEnd = 'bracketed' | 'limit' | 'time';

export interface Climbed<Step extends Tried> {
  readonly steps: readonly Step[];
  readonly largest: Step | undefined;
  /** The smallest that did not hold. */
  readonly failed: Step | undefined;
  readonly end: LadderEnd;
}

/**
 * Below the start it goes down by the same factor, to 1. `attempt` resolves with undefined when the step was cut off: the
 * climb then ends with what there is.
 */
export async function climb<Step extends Tried>(
  options: LadderOptions,
  attempt: (value: number) => Promise<Step | undefined>,
): Promise<Climbed<Step>> {
  const { limit, factor, isOver } = options;
  const steps: Step[] = [];
  let largest: Step | undefined;
  let failed: Step | undefined;
  let next = Math.min(options.start, limit);
  for (;;) {
    const step = await attempt(next);
    if (step === undefined) break;
    steps.push(step);
    if (step.holds) largest = step;
    else failed = step;
    const value = following(largest?.value, failed?.value, options);
    if (value === undefined)
      return { steps, largest, failed, end: failed === undefined ? 'limit' : 'bracketed' };
    if (isOver()) break;
    next = Math.max(1, Math.min(limit, value));
  }
  return { steps, largest, failed, end: 'time' };

  function following(
    held: number | undefined,
    broken: number | undefined,
    of: LadderOptions,
  ): number | undefined {
    if (held === undefined) return broken === 1 ? undefined : Math.floor(broken! / factor);
    if (broken === undefined) return held >= limit ? undefined : Math.ceil(held * factor);
    if (broken - held <= 1 || broken / held <= of.resolution) return undefined;
    return Math.round(Math.sqrt(broken * held));
  }
}

/**
 * Climbs, and where one value alone held tries a lower one, however late it is: what a client takes is told by the difference
 * of two. The lower one changes neither the largest nor the smallest that failed.
 */
export async function climbFromFoot<Step extends Tried>(
  options: LadderOptions,
  attempt: (value: number) => Promise<Step | undefined>,
): Promise<Climbed<Step>> {
  const climbed = await climb(options, attempt);
  const { steps, largest } = climbed;
  const held = steps.filter(({ holds }) => holds).length;
  const foot = Math.floor((largest?.value ?? 0) / options.factor);
  if (held !== 1 || foot < 1) return climbed;
  const step = await attempt(foot);
  return step === undefined ? climbed : { ...climbed, steps: [...steps, step] };
}
