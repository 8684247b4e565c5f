/** The proxy of an origin cluster (seeds/001): its state, its parts, and the HTTP API that they share. */
import type { Log } from '../log.ts';
import type { ProxyContext, ProxyPart } from './context.ts';
import { DeadOrigins } from './dead-origins.ts';
import type { DefaultBackend, ProxyEnvironment } from './environment.ts';
import { HttpApi } from './http-api.ts';
import type { Backend, LoadBalancer } from './load-balancer.ts';
import { MemoryBalancer } from './memory-balancer.ts';
import { ProxyMetrics } from './metrics.ts';
import { PARTS } from './parts.ts';
import { RedisBalancer } from './redis-balancer.ts';
import { backendOf } from './registration.ts';

export class ProxyServer {
  readonly #environment: ProxyEnvironment;
  readonly #balancer: LoadBalancer;
  readonly #deadOrigins: DeadOrigins;
  readonly #parts: readonly ProxyPart[];
  #heartbeat: NodeJS.Timeout | undefined;

  constructor(environment: ProxyEnvironment, log: Log) {
    const { timeouts, mutants, redis } = environment;
    const metrics = new ProxyMetrics();
    const state = { timeouts, mutants, metrics };
    this.#environment = environment;
    this.#balancer =
      environment.loadBalancer === 'memory'
        ? new MemoryBalancer(state)
        : new RedisBalancer({ ...state, redis, log, onDown: () => this.#onRedisDown() });
    const shared = { environment, balancer: this.#balancer, log, ...state };
    this.#deadOrigins = new DeadOrigins(shared);
    const context: ProxyContext = { ...shared, deadOrigins: this.#deadOrigins };
    const parts = PARTS.map((create) => create(context));
    const routes = parts.flatMap((part) => (part.api ? [part.api] : []));
    this.#parts = [...parts, new HttpApi(context, routes)];
  }

  /** Resolves when every listener is bound; the HTTP API, which tells that it is ready, comes last. */
  async start(): Promise<void> {
    await this.#balancer.start();
    const { defaultBackend, timeouts, mutants } = this.#environment;
    if (defaultBackend) {
      const backend = backendOf(registrationOf(defaultBackend), mutants);
      await this.#beat(backend);
      this.#heartbeat = setInterval(() => this.#beat(backend), timeouts.alive / 3);
    }
    for (const part of this.#parts) await part.start();
  }

  close(): void {
    clearInterval(this.#heartbeat);
    for (const part of this.#parts) part.close();
    this.#deadOrigins.close();
    this.#balancer.close();
  }

  /** The default backend does not register by itself; without Redis it is told again with the next beat. */
  async #beat(backend: Backend): Promise<void> {
    await this.#balancer.register(backend).catch(() => {});
  }

  #onRedisDown(): void {
    if (!this.#environment.mutants.has('proxy-redis-down-ends-streams')) return;
    for (const part of this.#parts) part.drop?.('Redis has gone');
  }
}

/** The same in every proxy that has this default, so that they agree. */
function registrationOf({ ip, rtmp, http, api, srt, rtc }: DefaultBackend): Parameters<typeof backendOf>[0] {
  return {
    ip,
    server: 'default',
    service: `${ip}:${rtmp}`,
    pid: '0',
    rtmp: [rtmp],
    http: [http],
    api: [api],
    srt: [srt],
    rtc: [rtc],
  };
}
