/** The load balancer of a single proxy: its state is in its memory, and gone with it. */
import type { Mutants } from '../mutants.ts';
import { type Backend, type LoadBalancer, type PickOptions, Refusal, RefusalCode } from './load-balancer.ts';
import type { ProxyMetrics } from './metrics.ts';
import { Origins } from './origins.ts';
import { Picks } from './picks.ts';
import { SharedValues } from './shared-values.ts';
import type { ProxyTimeouts } from './timeouts.ts';

export interface BalancerOptions {
  readonly timeouts: ProxyTimeouts;
  readonly mutants: Mutants;
  readonly metrics: ProxyMetrics;
}

export class MemoryBalancer implements LoadBalancer {
  readonly #mutants: Mutants;
  readonly #metrics: ProxyMetrics;
  readonly #origins: Origins;
  readonly #picks: Picks;
  readonly #values = new SharedValues();
  #turn = 0;

  constructor({ timeouts, mutants, metrics }: BalancerOptions) {
    this.#mutants = mutants;
    this.#metrics = metrics;
    this.#origins = new Origins(timeouts, mutants);
    this.#picks = new Picks(timeouts.sticky);
  }

  async start(): Promise<void> {}

  async register(backend: Backend): Promise<void> {
    this.#origins.heartbeat(backend);
  }

  async pick(streamUrl: string, { protocol, instead }: PickOptions): Promise<Backend> {
    const key = this.#mutants.has('proxy-picks-per-protocol') ? `${protocol}:${streamUrl}` : streamUrl;
    if (instead) this.#origins.suspect(instead.id);
    const before = this.#picks.use(key);
    const kept = before === undefined ? undefined : this.#origins.get(before);
    if (kept && kept.id !== instead?.id && !this.#mutants.has('proxy-not-sticky')) {
      this.#metrics.picks.inc({ result: 'sticky' });
      return kept;
    }
    const backend =
      before !== undefined && this.#mutants.has('proxy-never-repicks') ? undefined : this.#next(instead);
    if (!backend) {
      this.#metrics.picks.inc({ result: 'refused' });
      throw new Refusal(RefusalCode.NoOrigin, `no origin is alive for ${streamUrl}`);
    }
    this.#picks.set(key, backend.id);
    this.#metrics.picks.inc({ result: before === undefined ? 'new' : 'again' });
    return backend;
  }

  async peek(streamUrl: string): Promise<Backend | undefined> {
    const id = this.#picks.get(streamUrl);
    return id === undefined ? undefined : this.#origins.get(id);
  }

  hold(streamUrl: string): () => void {
    return this.#picks.hold(streamUrl);
  }

  async backends(): Promise<readonly Backend[]> {
    return this.#origins.alive();
  }

  async put(key: string, value: string, ttlMs: number): Promise<void> {
    this.#values.put(key, value, ttlMs);
  }

  async get(key: string): Promise<string | undefined> {
    return this.#values.get(key);
  }

  close(): void {
    this.#origins.close();
    this.#picks.close();
    this.#values.close();
  }

  /** Origins in turn, those last that could not be reached a moment ago. */
  #next(instead: Backend | undefined): Backend | undefined {
    const alive = this.#origins.alive().filter(({ id }) => id !== instead?.id);
    if (this.#mutants.has('proxy-first-origin')) return alive[0];
    const trusted = alive.filter(({ id }) => !this.#origins.isSuspect(id));
    const candidates = trusted.length > 0 ? trusted : alive;
    return candidates[this.#turn++ % Math.max(1, candidates.length)];
  }
}
