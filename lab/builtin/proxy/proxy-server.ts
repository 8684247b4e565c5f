/** The proxy of an origin cluster (seeds/001): its parts, and the HTTP API that they share. */
import type { Log } from '../log.ts';
import type { ProxyContext, ProxyPart } from './context.ts';
import type { ProxyEnvironment } from './environment.ts';
import { HttpApi } from './http-api.ts';
import type { LoadBalancer } from './load-balancer.ts';
import { MemoryBalancer } from './memory-balancer.ts';
import { ProxyMetrics } from './metrics.ts';
import { PARTS } from './parts.ts';

export class ProxyServer {
  readonly #balancer: LoadBalancer;
  readonly #parts: readonly ProxyPart[];

  constructor(environment: ProxyEnvironment, log: Log) {
    const { timeouts, mutants } = environment;
    const metrics = new ProxyMetrics();
    const balancer = new MemoryBalancer({ timeouts, mutants, metrics });
    const context: ProxyContext = { environment, timeouts, balancer, log, metrics, mutants };
    this.#balancer = balancer;
    const parts = PARTS.map((create) => create(context));
    const routes = parts.flatMap(({ api }) => (api ? [api] : []));
    this.#parts = [...parts, new HttpApi(context, routes)];
  }

  /** Resolves when every listener is bound; the HTTP API, which tells that it is ready, comes last. */
  async start(): Promise<void> {
    await this.#balancer.start();
    for (const part of this.#parts) await part.start();
  }

  close(): void {
    for (const part of this.#parts) part.close();
    this.#balancer.close();
  }
}
