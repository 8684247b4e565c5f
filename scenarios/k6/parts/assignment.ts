/** Who of k6's virtual users watches what, and who of them looks into it. */

export interface VirtualUser {
  /** From 1, of all runners. */
  readonly idInTest: number;
  /** From 1, of this runner. */
  readonly idInInstance: number;
}

export interface Assignment {
  readonly url: string;
  readonly inspect: boolean;
}

/**
 * Viewers take the URLs in turn, and of each URL one in `inspectEvery` looks inside, on every runner that has viewers of
 * it: counted over the whole test, all that look could be on one. Runners of equal parts, as k6-operator's are, get every
 * R-th number of the test, so that of its viewers as many in a row as there are URLs meet each URL of that runner equally
 * often, be it all of them or, of two runners and two URLs, one; such a row looks inside as a whole. Of parts that are not
 * equal the numbers are not evenly apart, and the share of a URL is only about one in `inspectEvery`.
 */
export function assignmentOf(
  { idInTest, idInInstance }: VirtualUser,
  urls: readonly string[],
  inspectEvery: number,
): Assignment {
  const row = Math.floor((idInInstance - 1) / urls.length);
  return { url: urls[(idInTest - 1) % urls.length]!, inspect: row % inspectEvery === 0 };
}
