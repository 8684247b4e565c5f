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
  /** `up`: from clients to origins; `down`: from origins to clients. */
  readonly #bytes = this.#counter('liveproof_proxy_bytes_total', 'Bytes passed on', [
    'protocol',
    'direction',
  ]);
  readonly #errors = this.#counter(
    'liveproof_proxy_errors_total',
    'Clients that were not served, by reason',
    ['protocol', 'reason'],
  );
  readonly redisUp = this.#gauge('liveproof_proxy_redis_up', '1 while Redis answers');

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

  bytes(protocol: ProxyProtocol, direction: 'up' | 'down', count: number): void {
    this.#bytes.inc({ protocol, direction }, count);
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
