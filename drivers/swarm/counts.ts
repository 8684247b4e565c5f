/** Sums of records of counters. */

/** Adds each counter of `more` to that of the same name in `total`, which is returned. */
export function addCounts<T extends { [name in keyof T]: number }>(total: T, more: readonly T[]): T {
  for (const counts of more) {
    for (const name of Object.keys(counts) as (keyof T)[])
      total[name] = ((total[name] ?? 0) + counts[name]) as T[keyof T];
  }
  return total;
}
