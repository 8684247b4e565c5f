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

/** What a worker of a shard is dealt of all clients, who play so many URLs in turn by their numbers. Plain data. */
export interface Hand {
  readonly shard: Shard;
  readonly worker: Shard;
  readonly urls: number;
}

/** Of a process that plays all clients. */
export const ALL: Hand = { shard: WHOLE, worker: WHOLE, urls: 1 };

/**
 * The number of a worker's client, `index` being from 0 on. The clients of a shard are dealt to its workers in rounds,
 * one to each. Where a round and the turn of the URLs have a common divisor, a worker would get some of the URLs only:
 * who is dealt first moves on by one as often as the turn begins with a round. So no worker has two clients more than
 * another, of all or of a URL.
 */
export function numberOf(index: number, { shard, worker, urls }: Hand): number {
  const turn = urls / divisor(urls, shard.of);
  const common = divisor(turn, worker.of);
  const moved = Math.floor((index * common) / turn) % common;
  return shard.index + (index * worker.of + ((worker.index + moved) % worker.of)) * shard.of;
}

/** How many of `clients`, of all shards, are in a hand. */
export function sizeOf(clients: number, hand: Hand): number {
  const rounds = Math.floor(shareOf(clients, hand.shard) / hand.worker.of);
  return rounds + (numberOf(rounds, hand) < clients ? 1 : 0);
}

/** The greatest that both have. */
function divisor(a: number, b: number): number {
  return b === 0 ? a : divisor(b, a % b);
}
