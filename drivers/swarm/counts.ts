/** Sums of records of counters. */

/** Adds each counter of `more` to that of the same name in `total`, which is returned. */
export function addCounts<T extends { [name in keyof T]: number }>(total: T, more: readonly T[]): T {
  for (const counts of more) {
    for (const name of Object.keys(counts) as (keyof T)[])
      total[name] = ((total[name] ?? 0) + counts[name]) as T[keyof T];
  }
  return total;
}

/** Of the players of one URL. */
export interface UrlStanding {
  /** Joined and not lost. */
  there: number;
  /** Of these, whose picture stands still. */
  lasting: number;
}

/** One list out of many, each in the order of the URLs. */
export function addStandings(all: readonly (readonly UrlStanding[])[]): UrlStanding[] {
  return Array.from({ length: Math.max(0, ...all.map((urls) => urls.length)) }, (_, url) =>
    addCounts(
      { there: 0, lasting: 0 },
      all.flatMap((urls) => urls[url] ?? []).map(({ there, lasting }) => ({ there, lasting })),
    ),
  );
}
