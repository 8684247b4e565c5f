/** Which origin has which stream, as far as is known, in memory. */
import type { Mutants } from '../mutants.ts';
import { type Address, formatAddress } from './address.ts';
import type { ManagerLimits, ManagerTimes } from './config.ts';

/** Known by where its RTMP is. Times are of `performance.now()`. */
export interface Origin {
  readonly key: string;
  readonly rtmp: Address;
  /** `host:port` of its HTTP API; undefined when it was reported without one. */
  api: string | undefined;
  /** Changes with every start of it (facts/srs.md 3.1); undefined while unknown. */
  service: string | undefined;
  /** The last sign of life. */
  seenAt: number;
  /** How long it lives without another. */
  ttlMs: number;
  readonly streams: Map<string, Publication>;
}

/** One publisher of a stream, at one origin. */
export interface Publication {
  readonly key: string;
  readonly origin: Origin;
  /** The publisher's id at its origin; empty when it was not reported. */
  client: string;
  /** Epoch ms; the newest publication of a stream has the greatest. */
  readonly since: number;
  /** When this manager heard of it. */
  readonly heardAt: number;
}

export interface OriginReport {
  readonly rtmp: Address;
  readonly api?: string | undefined;
  readonly service?: string | undefined;
  readonly ttlMs?: number | undefined;
}

/** What others have to be told of. */
export interface RegistryListener {
  onOrigin(origin: Origin): void;
  onOriginForgotten(origin: Origin): void;
  onPublished(publication: Publication): void;
  onWithdrawn(publication: Publication): void;
}

export class RegistryFullError extends Error {
  override readonly name = 'RegistryFullError';
}

/** Of one stream, at different origins. */
const MAX_PUBLICATIONS = 8;

export class Registry {
  readonly times: ManagerTimes;
  readonly origins = new Map<string, Origin>();
  /** Newest first. */
  readonly streams = new Map<string, Publication[]>();
  listener: RegistryListener | undefined;
  readonly #limits: ManagerLimits;
  readonly #mutants: Mutants;
  #publications = 0;

  constructor(times: ManagerTimes, limits: ManagerLimits, mutants: Mutants) {
    this.times = times;
    this.#limits = limits;
    this.#mutants = mutants;
  }

  get publications(): number {
    return this.#publications;
  }

  isAlive(origin: Origin, now = performance.now()): boolean {
    return now - origin.seenAt < origin.ttlMs || this.#mutants.has('manager-keeps-dead-origins');
  }

  at(rtmp: Address): Origin | undefined {
    return this.origins.get(formatAddress(rtmp));
  }

  /** The newest publication of the stream at an origin that lives. */
  find(key: string): Publication | undefined {
    const publications = this.streams.get(key);
    if (publications === undefined) return undefined;
    const now = performance.now();
    return publications.find(({ origin }) => this.isAlive(origin, now));
  }

  /**
   * A sign of life of an origin. One that has been started anew has none of its streams any more.
   * Throws RegistryFullError.
   */
  see(report: OriginReport): Origin {
    const origin = this.#enter(report, performance.now(), (publication) => this.withdraw(publication));
    this.listener?.onOrigin(origin);
    return origin;
  }

  /** The same as another manager, or a former life of this one, saw it. Tells nobody. Throws RegistryFullError. */
  learn(report: OriginReport, seenAt: number): Origin {
    const known = this.at(report.rtmp);
    if (known !== undefined && known.seenAt >= seenAt) return known;
    return this.#enter(report, seenAt, (publication) => this.drop(publication));
  }

  /**
   * The newest publication of the stream, wherever else it is. Again from the same client, it stays what it is.
   * Throws RegistryFullError.
   * @param found not reported, but seen at the origin: those who were reported are newer
   */
  publish(origin: Origin, key: string, client: string, found = false): Publication {
    const before = origin.streams.get(key);
    if (before !== undefined && (before.client === client || client === '' || found)) {
      if (found) before.client = client;
      return before;
    }
    const others = this.streams.get(key) ?? [];
    const newest = others[0]?.since ?? 0;
    const oldest = others.at(-1)?.since;
    const loses = found || this.#mutants.has('manager-first-publisher-wins');
    const since = loses && oldest !== undefined ? oldest - 1 : Math.max(Date.now(), newest + 1);
    const publication = this.put(origin, key, client, since);
    this.listener?.onPublished(publication);
    return publication;
  }

  /** As another manager, or a former life of this one, knew it. Throws RegistryFullError. Tells nobody. */
  put(origin: Origin, key: string, client: string, since: number): Publication {
    if (!origin.streams.has(key) && this.#publications >= this.#limits.streams) {
      throw new RegistryFullError(`${this.#publications} streams`);
    }
    this.#remove(origin, key);
    const publication: Publication = { key, origin, client, since, heardAt: performance.now() };
    origin.streams.set(key, publication);
    this.#publications++;
    const publications = this.streams.get(key);
    if (publications === undefined) {
      this.streams.set(key, [publication]);
      return publication;
    }
    const at = publications.findIndex((other) => other.since < since);
    publications.splice(at < 0 ? publications.length : at, 0, publication);
    const last = publications.length > MAX_PUBLICATIONS ? publications.at(-1) : undefined;
    if (last !== undefined) this.withdraw(last);
    return publication;
  }

  /**
   * The publisher has left. A client that is not the one known here was another, whose time is over.
   * @param client empty for any
   * @returns whether something was withdrawn
   */
  unpublish(origin: Origin, key: string, client: string): boolean {
    if (this.#mutants.has('manager-forgets-unpublish')) return false;
    if (this.#mutants.has('manager-unpublish-erases-newer')) {
      for (const publication of [...(this.streams.get(key) ?? [])]) this.withdraw(publication);
      return true;
    }
    const publication = origin.streams.get(key);
    if (publication === undefined) return false;
    if (client !== '' && publication.client !== '' && client !== publication.client) return false;
    this.withdraw(publication);
    return true;
  }

  withdraw(publication: Publication): void {
    if (this.drop(publication)) this.listener?.onWithdrawn(publication);
  }

  /** Without telling anybody. False when it was gone. */
  drop({ origin, key }: Publication): boolean {
    return this.#remove(origin, key);
  }

  /** Forgets an origin and all that it had, without telling anybody. */
  dropOrigin(origin: Origin): void {
    for (const key of [...origin.streams.keys()]) this.#remove(origin, key);
    this.origins.delete(origin.key);
  }

  /** Of those who have been dead for long. */
  forgetDead(): void {
    const now = performance.now();
    for (const origin of [...this.origins.values()]) {
      if (now - origin.seenAt < origin.ttlMs + this.times.forget) continue;
      this.dropOrigin(origin);
      this.listener?.onOriginForgotten(origin);
    }
  }

  #enter(report: OriginReport, seenAt: number, end: (publication: Publication) => void): Origin {
    const { rtmp, api, service, ttlMs } = report;
    const known = this.at(rtmp);
    if (known !== undefined) {
      const restarted = known.service !== undefined && service !== undefined && service !== known.service;
      if (restarted && !this.#mutants.has('manager-believes-reports-only')) {
        for (const publication of [...known.streams.values()]) end(publication);
      }
      known.service = service ?? known.service;
      known.api = api ?? known.api;
      known.ttlMs = ttlMs ?? known.ttlMs;
      known.seenAt = seenAt;
      return known;
    }
    if (this.origins.size >= this.#limits.origins)
      throw new RegistryFullError(`${this.origins.size} origins`);
    const key = formatAddress(rtmp);
    const origin: Origin = {
      key,
      rtmp,
      api,
      service,
      seenAt,
      ttlMs: ttlMs ?? this.times.originTtl,
      streams: new Map(),
    };
    this.origins.set(key, origin);
    return origin;
  }

  #remove(origin: Origin, key: string): boolean {
    const publication = origin.streams.get(key);
    if (publication === undefined) return false;
    origin.streams.delete(key);
    this.#publications--;
    const publications = this.streams.get(key) ?? [];
    const at = publications.indexOf(publication);
    if (at >= 0) publications.splice(at, 1);
    if (publications.length === 0) this.streams.delete(key);
    return true;
  }
}
