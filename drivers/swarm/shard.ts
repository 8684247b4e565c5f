/** One of several generators that are one swarm together: which clients are its own. */

export interface Shard {
  /** From 0 on. */
  readonly index: number;
  /** How many there are. */
  readonly of: number;
}

export const WHOLE: Shard = { index: 0, of: 1 };

/** Of `clients` that are numbered from 0 on, those with this number modulo `of` are a shard's. How many they are. */
export function shareOf(clients: number, { index, of }: Shard): number {
  return Math.floor(clients / of) + (index < clients % of ? 1 : 0);
}

/** A shard of a shard: what `inner` takes of the clients that are `outer`'s. */
export function within(outer: Shard, inner: Shard): { readonly first: number; readonly step: number } {
  return { first: outer.index + inner.index * outer.of, step: outer.of * inner.of };
}
