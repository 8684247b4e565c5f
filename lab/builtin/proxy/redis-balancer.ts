/** The load balancer of several proxies: their state is in a Redis. While that is gone, what was known last goes on. */
import type { Log } from '../log.ts';
import type { RedisSettings } from './environment.ts';
import { type Backend, type LoadBalancer, type PickOptions, Refusal, RefusalCode } from './load-balancer.ts';
import type { BalancerOptions } from './memory-balancer.ts';
import { sameEndpoint } from './origins.ts';
import { Picks } from './picks.ts';
import { ALL_SERVERS, readServer, serverKey, TURN, urlKey, valueKey, writeServer } from './redis-form.ts';
import { RedisLink } from './redis-link.ts';

export interface RedisBalancerOptions extends BalancerOptions {
  readonly redis: RedisSettings;
  readonly log: Log;
  /** Redis has gone. */
  onDown?(): void;
}

/**
 * After an outage each proxy puts back what it serves; nobody picks anew before the others can have done so, or an
 * empty Redis would give a running stream to a second origin.
 */
const RESTORE_MS = 500;

export class RedisBalancer implements LoadBalancer {
  readonly #options: RedisBalancerOptions;
  readonly #link: RedisLink;
  /** What this proxy knows last of streams, and of origins; the origins are those that Redis named last. */
  readonly #picks: Picks;
  #known = new Map<string, Backend>();
  /** Monotonic time of the last heartbeat that came to this proxy. */
  readonly #heard = new Map<string, { readonly backend: Backend; readonly at: number }>();
  /** Monotonic time until which an origin that could not be reached gets no new streams. */
  readonly #suspects = new Map<string, number>();
  #keeper: NodeJS.Timeout | undefined;
  #wasUp = false;
  #turn = process.pid;

  constructor(options: RedisBalancerOptions) {
    this.#options = options;
    const { timeouts, metrics, log, redis } = options;
    this.#picks = new Picks(timeouts.sticky);
    this.#link = new RedisLink({
      lostForGood: options.mutants.has('proxy-redis-lost-for-good'),
      settings: redis,
      timeoutMs: timeouts.redis,
      log,
      restore: () => this.#restore(),
      onUp: () => metrics.redisUp.set(1),
      onDown: () => {
        metrics.redisUp.set(0);
        options.onDown?.();
      },
    });
    metrics.redisUp.set(0);
  }

  async start(): Promise<void> {
    await this.#link.start();
    const { sticky, alive } = this.#options.timeouts;
    this.#keeper = setInterval(() => this.#keep(), Math.min(sticky, alive) / 3);
  }

  async register(backend: Backend): Promise<void> {
    for (const [id, { backend: other }] of this.#heard) {
      if (id !== backend.id && sameEndpoint(other, backend)) this.#forget(id);
    }
    this.#heard.set(backend.id, { backend, at: performance.now() });
    this.#suspects.delete(backend.id);
    await this.#link.ask('proxyRegister', ...this.#registration(backend));
    this.#known.set(backend.id, backend);
  }

  async pick(streamUrl: string, { protocol, instead }: PickOptions): Promise<Backend> {
    const { mutants, metrics } = this.#options;
    const name = mutants.has('proxy-picks-per-protocol') ? `${protocol}:${streamUrl}` : streamUrl;
    if (instead) this.#suspects.set(instead.id, performance.now() + this.#options.timeouts.suspect);
    if (mutants.has('proxies-pick-apart')) return this.#pickApart(name, instead);
    let found: [key: string, document: string, result: 'new' | 'sticky' | 'again'] | null;
    try {
      found = await this.#link.ask('proxyPick', ...this.#question(name, instead));
    } catch (error) {
      const last = instead ? undefined : this.#lastKnown(name);
      metrics.picks.inc({ result: last ? 'last-known' : 'refused' });
      if (last) return last;
      throw error;
    }
    const backend = found && readServer(found[0], found[1], mutants);
    if (!backend) {
      metrics.picks.inc({ result: 'refused' });
      throw new Refusal(RefusalCode.NoOrigin, `no origin is alive for ${streamUrl}`);
    }
    metrics.picks.inc({ result: found![2] });
    this.#known.set(backend.id, backend);
    this.#picks.set(name, backend.id);
    return backend;
  }

  async peek(streamUrl: string): Promise<Backend | undefined> {
    try {
      const key = await this.#link.ask<string | null>('get', urlKey(streamUrl));
      const document = key === null ? null : await this.#link.ask<string | null>('get', key);
      return key === null || document === null ? undefined : readServer(key, document, this.#options.mutants);
    } catch {
      return this.#lastKnown(streamUrl);
    }
  }

  hold(streamUrl: string): () => void {
    return this.#picks.hold(streamUrl);
  }

  async backends(): Promise<readonly Backend[]> {
    try {
      return await this.#list((command, ...args) => this.#link.ask(command, ...args));
    } catch (error) {
      if (!this.#wasUp) throw error;
      return [...this.#known.values()];
    }
  }

  async put(key: string, value: string, ttlMs: number): Promise<void> {
    await this.#link.ask('set', valueKey(key), value, 'PX', ttlMs);
  }

  async get(key: string): Promise<string | undefined> {
    return (await this.#link.ask<string | null>('get', valueKey(key))) ?? undefined;
  }

  close(): void {
    clearInterval(this.#keeper);
    this.#picks.close();
    this.#link.close();
  }

  #registration(backend: Backend): (string | number)[] {
    const keepsDead = this.#options.mutants.has('proxy-keeps-dead-origins');
    return [
      serverKey(backend.id),
      ALL_SERVERS,
      writeServer(backend),
      keepsDead ? 0 : this.#options.timeouts.alive,
      keepsDead ? '0' : '1',
    ];
  }

  #question(streamUrl: string, instead: Backend | undefined): (string | number)[] {
    const { mutants, timeouts } = this.#options;
    const before = this.#picks.get(streamUrl);
    const defect = mutants.has('proxy-not-sticky')
      ? 'unsticky'
      : mutants.has('proxy-first-origin')
        ? 'first'
        : mutants.has('proxy-never-repicks')
          ? 'never'
          : '';
    return [
      urlKey(streamUrl),
      ALL_SERVERS,
      TURN,
      timeouts.sticky,
      instead ? serverKey(instead.id) : '',
      before && !mutants.has('proxy-not-sticky') ? serverKey(before) : '',
      JSON.stringify(this.#suspectKeys()),
      defect,
    ];
  }

  #suspectKeys(): string[] {
    const now = performance.now();
    for (const [id, until] of this.#suspects) if (until <= now) this.#suspects.delete(id);
    if (this.#options.mutants.has('proxy-keeps-dead-origins')) return [];
    return [...this.#suspects.keys()].map(serverKey);
  }

  #lastKnown(streamUrl: string): Backend | undefined {
    const id = this.#picks.use(streamUrl);
    return id === undefined ? undefined : this.#known.get(id);
  }

  #forget(id: string): void {
    this.#heard.delete(id);
    this.#known.delete(id);
    this.#suspects.delete(id);
  }

  async #list(ask: <T>(command: string, ...args: (string | number)[]) => Promise<T>): Promise<Backend[]> {
    const keys = keysIn(await ask<string | null>('get', ALL_SERVERS));
    const documents = keys.length === 0 ? [] : await ask<(string | null)[]>('mget', ...keys);
    const found = keys.flatMap((key, index) => {
      const document = documents[index];
      const backend = document && readServer(key, document, this.#options.mutants);
      return backend ? [backend] : [];
    });
    this.#known = new Map(found.map((backend) => [backend.id, backend]));
    this.#wasUp = true;
    return found;
  }

  /** Puts back what this proxy knows better than a Redis that may have lost everything. */
  async #restore(): Promise<void> {
    const ask = <T>(command: string, ...args: (string | number)[]): Promise<T> =>
      this.#link.restoring(command, ...args);
    const since = performance.now() - this.#options.timeouts.alive;
    for (const { backend, at } of this.#heard.values()) {
      if (at > since) await ask('proxyRegister', ...this.#registration(backend));
    }
    await this.#keepHeld(ask);
    if (this.#wasUp) await new Promise((resolve) => setTimeout(resolve, RESTORE_MS));
    await this.#list(ask);
  }

  #keep(): void {
    const since = performance.now() - this.#options.timeouts.alive;
    for (const [id, { at }] of this.#heard) if (at <= since) this.#heard.delete(id);
    if (!this.#link.isUp) return;
    const ask = <T>(command: string, ...args: (string | number)[]): Promise<T> =>
      this.#link.ask(command, ...args);
    // A Redis that goes meanwhile is asked again when it is back.
    Promise.all([this.#keepHeld(ask), this.#list(ask)]).catch(() => {});
  }

  async #keepHeld(ask: (command: string, ...args: (string | number)[]) => Promise<unknown>): Promise<void> {
    const { sticky } = this.#options.timeouts;
    await Promise.all(
      [...this.#picks.held].map((streamUrl) => {
        const id = this.#picks.get(streamUrl);
        return id && ask('proxyKeep', urlKey(streamUrl), serverKey(id), sticky);
      }),
    );
  }

  /** A mutant: each proxy for itself. */
  #pickApart(streamUrl: string, instead: Backend | undefined): Backend {
    const last = this.#lastKnown(streamUrl);
    if (last && last.id !== instead?.id) return last;
    const known = [...this.#known.values()].filter(({ id }) => id !== instead?.id);
    const backend = known[this.#turn++ % Math.max(1, known.length)];
    if (!backend) throw new Refusal(RefusalCode.NoOrigin, `no origin is alive for ${streamUrl}`);
    this.#picks.set(streamUrl, backend.id);
    return backend;
  }
}

function keysIn(text: string | null): string[] {
  try {
    const list: unknown = JSON.parse(text ?? '[]');
    return Array.isArray(list) ? list.filter((key) => typeof key === 'string') : [];
  } catch {
    return [];
  }
}
