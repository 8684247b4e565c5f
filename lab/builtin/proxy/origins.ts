/** The origins that a proxy has heard of, by their heartbeats. */
import type { Mutants } from '../mutants.ts';
import { LivedTime } from './lived-time.ts';
import type { Backend } from './load-balancer.ts';
import type { ProxyTimeouts } from './timeouts.ts';

interface Origin {
  readonly backend: Backend;
  /** Lived, of the last heartbeat. */
  seenAt: number;
  /** Lived; it could not be reached since its last heartbeat. */
  suspectUntil: number;
}

/** Of the life of an origin: a proxy that stood still takes nobody for dead by that. */
const TICKS_OF_LIFE = 20;

export class Origins {
  readonly #time: LivedTime;
  readonly #timeouts: ProxyTimeouts;
  readonly #mutants: Mutants;
  readonly #origins = new Map<string, Origin>();

  constructor(timeouts: ProxyTimeouts, mutants: Mutants) {
    const counts = mutants.has('proxy-counts-standstill') || mutants.has('proxy-dead-at-first-miss');
    const ticksBorne = counts ? Number.POSITIVE_INFINITY : undefined;
    this.#time = new LivedTime(timeouts.alive / TICKS_OF_LIFE, ticksBorne);
    this.#timeouts = timeouts;
    this.#mutants = mutants;
  }

  /** @returns the ids of those that are dead by it: another life at the same RTMP endpoint. */
  heartbeat(backend: Backend): string[] {
    const dead = this.alive()
      .filter((other) => other.id !== backend.id && sameEndpoint(other, backend))
      .map(({ id }) => id);
    if (this.#mutants.has('proxy-keeps-dead-origins')) dead.length = 0;
    for (const id of dead) this.#origins.delete(id);
    this.#origins.set(backend.id, { backend, seenAt: this.#time.now(), suspectUntil: 0 });
    return dead;
  }

  suspect(id: string): void {
    const origin = this.#origins.get(id);
    if (origin) origin.suspectUntil = this.#time.now() + this.#timeouts.suspect;
  }

  isSuspect(id: string): boolean {
    if (this.#mutants.has('proxy-keeps-dead-origins')) return false;
    return (this.#origins.get(id)?.suspectUntil ?? 0) > this.#time.now();
  }

  /** While it is alive. */
  get(id: string): Backend | undefined {
    const origin = this.#origins.get(id);
    if (!origin || this.#expire(id, origin)) return undefined;
    return origin.backend;
  }

  /** In a stable order. */
  alive(): Backend[] {
    return [...this.#origins]
      .filter(([id, origin]) => !this.#expire(id, origin))
      .map(([, { backend }]) => backend)
      .sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  close(): void {
    this.#time.close();
  }

  #expire(id: string, { seenAt }: Origin): boolean {
    if (this.#mutants.has('proxy-keeps-dead-origins')) return false;
    const expired = this.#time.now() - seenAt >= this.#timeouts.alive;
    if (expired) this.#origins.delete(id);
    return expired;
  }
}

export function sameEndpoint(a: Backend, b: Backend): boolean {
  return a.rtmp.host === b.rtmp.host && a.rtmp.port === b.rtmp.port;
}
