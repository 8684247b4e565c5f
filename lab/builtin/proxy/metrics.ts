/** What the proxy counts, in the form of Prometheus. */
import { Counter, Gauge, Registry } from 'prom-client';

export type ProxyProtocol = 'rtmp' | 'http' | 'srt' | 'webrtc' | 'api';

export class ProxyMetrics {
  readonly #registry = new Registry();
  /** Backends alive; 0 while that is not known. */
  readonly backends = this.#gauge('liveproof_proxy_backends_alive', 'Origins that are alive');
  readonly registrations = this.#counter('liveproof_proxy_registrations_total', 'Registrations by result', [
    'result',
  ]);
  /** `new`, `sticky`, `again` (its origin was dead) or `refused`. */
  readonly picks = this.#counter('liveproof_proxy_picks_total', 'Answers to where a stream is', ['result']);
  readonly #open = this.#gauge('liveproof_proxy_connections', 'Clients that are connected', ['protocol']);
  readonly #total = this.#counter('liveproof_proxy_connections_total', 'Clients so far', ['protocol']);
  /** Not counted in prom-client, which looks labels up at every call: these change with every read of a socket. */
  readonly #passed = new Map<ProxyProtocol, { up: number; down: number }>();
  readonly #errors = this.#counter(
    'liveproof_proxy_errors_total',
    'Clients that were not served, by reason',
    ['protocol', 'reason'],
  );
  readonly redisUp = this.#gauge('liveproof_proxy_redis_up', '1 while Redis answers');

  constructor() {
    const passed = this.#passed;
    new Counter({
      name: 'liveproof_proxy_bytes_total',
      help: 'Bytes passed on',
      labelNames: ['protocol', 'direction'],
      registers: [this.#registry],
      collect() {
        this.reset();
        for (const [protocol, { up, down }] of passed) {
          this.inc({ protocol, direction: 'up' }, up);
          this.inc({ protocol, direction: 'down' }, down);
        }
      },
    });
  }

  /** Returns the function that says the client has gone; idempotent. */
  connected(protocol: ProxyProtocol): () => void {
    this.#open.inc({ protocol });
    this.#total.inc({ protocol });
    let open = true;
    return () => {
      if (open) this.#open.dec({ protocol });
      open = false;
    };
  }

  /** @param direction `up`: from clients to origins; `down`: from origins to clients. */
  bytes(protocol: ProxyProtocol, direction: 'up' | 'down', count: number): void {
    let passed = this.#passed.get(protocol);
    if (!passed) {
      passed = { up: 0, down: 0 };
      this.#passed.set(protocol, passed);
    }
    passed[direction] += count;
  }

  /** @param reason one of few: it becomes a label. */
  error(protocol: ProxyProtocol, reason: string): void {
    this.#errors.inc({ protocol, reason });
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  text(): Promise<string> {
    return this.#registry.metrics();
  }

  #gauge<T extends string>(name: string, help: string, labelNames: readonly T[] = []): Gauge<T> {
    return new Gauge({ name, help, labelNames, registers: [this.#registry] });
  }

  #counter<T extends string>(name: string, help: string, labelNames: readonly T[]): Counter<T> {
    return new Counter({ name, help, labelNames, registers: [this.#registry] });
  }
}
