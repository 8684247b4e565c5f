/** Figures of a stream manager for Prometheus. */
import { Counter, Gauge, Registry as Metrics } from 'prom-client';
import type { Registry } from './registry.ts';

export interface RedisState {
  readonly connected: boolean;
  /** Changes that it has not got yet. */
  readonly pending: number;
}

export class ManagerMetrics {
  readonly #metrics = new Metrics();
  /** Answers to questions where a stream is. */
  readonly queries = { found: 0, absent: 0 };
  readonly reports = new Counter({
    name: 'stream_manager_reports_total',
    help: 'Reports by form and outcome',
    labelNames: ['form', 'outcome'] as const,
    registers: [this.#metrics],
  });

  constructor(registry: Registry, redis: (() => RedisState) | undefined) {
    const registers = [this.#metrics];
    const { queries } = this;
    new Counter({
      name: 'stream_manager_queries_total',
      help: 'Questions where a stream is, by answer',
      labelNames: ['answer'] as const,
      registers,
      collect() {
        this.reset();
        for (const answer of ['found', 'absent'] as const) this.inc({ answer }, queries[answer]);
      },
    });
    new Gauge({
      name: 'stream_manager_streams',
      help: 'Publications that are known',
      registers,
      collect() {
        this.set(registry.publications);
      },
    });
    new Gauge({
      name: 'stream_manager_origins',
      help: 'Origins by state',
      labelNames: ['state'] as const,
      registers,
      collect() {
        const origins = [...registry.origins.values()];
        const alive = origins.filter((origin) => registry.isAlive(origin)).length;
        this.set({ state: 'alive' }, alive);
        this.set({ state: 'dead' }, origins.length - alive);
      },
    });
    if (redis === undefined) return;
    new Gauge({
      name: 'stream_manager_redis_up',
      help: '1 while Redis has all that is known, or is about to',
      registers,
      collect() {
        this.set(redis().connected ? 1 : 0);
      },
    });
    new Gauge({
      name: 'stream_manager_redis_pending',
      help: 'Changes that Redis has not got yet',
      registers,
      collect() {
        this.set(redis().pending);
      },
    });
  }

  get contentType(): string {
    return this.#metrics.contentType;
  }

  text(): Promise<string> {
    return this.#metrics.metrics();
  }
}
