/** Asks origins whether they live and which streams they have, over their HTTP API (facts/srs.md 3). */
import { z } from 'zod';
import { requestText } from '../../http-request.ts';
import type { Log } from '../log.ts';
import type { Mutants } from '../mutants.ts';
import { DEFAULT_VHOST, parseAddress, streamKey } from './address.ts';
import { type Origin, type Registry, RegistryFullError } from './registry.ts';

/** Of one answer. */
const MAX_BODY = 8 * 1024 * 1024;
const PAGE = 1000;
const MAX_PAGES = 100;
/** An answer about a possible loop waits for the origin no longer than this, in ms. */
const VERIFY_MS = 500;
/** A busy origin is not declared dead because of one slow answer. */
const MAX_TIMEOUT_MS = 2000;

/** A manager that is started anew answers when it knows who lives, or after this long, in ms. */
const FIRST_ROUND_MS = 1000;

const VERSIONS = z.object({ service: z.string().min(1).max(128) });

const STREAMS = z.object({
  service: z.string(),
  streams: z.array(
    z.object({
      name: z.string(),
      app: z.string(),
      url: z.string(),
      publish: z.object({ active: z.boolean(), cid: z.string().optional() }),
    }),
  ),
});

/** Keys of what is published there, with the id of the publisher. */
type Published = ReadonlyMap<string, string>;

interface Watched {
  nextReconcile: number;
  /** Its last answer is still awaited. */
  busy: boolean;
}

export class OriginWatch {
  readonly #registry: Registry;
  readonly #mutants: Mutants;
  readonly #log: Log;
  readonly #watched = new Map<Origin, Watched>();
  readonly #verifying = new Map<Origin, Promise<Published | undefined>>();
  #timer: NodeJS.Timeout | undefined;

  constructor(registry: Registry, mutants: Mutants, log: Log) {
    this.#registry = registry;
    this.#mutants = mutants;
    this.#log = log;
  }

  /** Resolves when the origins that are known by now have been asked, or have had time for an answer. */
  async start(): Promise<void> {
    this.#timer = setInterval(() => void this.#tick(), this.#registry.times.poll);
    const late = new Promise((resolve) => setTimeout(resolve, FIRST_ROUND_MS).unref());
    await Promise.race([this.#tick(), late]);
  }

  close(): void {
    clearInterval(this.#timer);
  }

  /**
   * Whether the origin says itself that the stream is published there: asked when the answer may go to the one who
   * asks, which would send players in circles. Without an API it is taken for true.
   */
  async verify(origin: Origin, key: string): Promise<boolean> {
    if (origin.api === undefined || this.#mutants.has('manager-believes-reports-only')) return true;
    let asked = this.#verifying.get(origin);
    if (asked === undefined) {
      asked = this.#published(origin, VERIFY_MS).catch(() => undefined);
      this.#verifying.set(origin, asked);
      void asked.then(() => this.#verifying.delete(origin));
    }
    const published = await asked;
    if (published !== undefined) this.#reconcile(origin, published, performance.now());
    return published?.has(key) ?? false;
  }

  async #tick(): Promise<void> {
    this.#registry.forgetDead();
    for (const origin of this.#watched.keys()) {
      if (this.#registry.origins.get(origin.key) !== origin) this.#watched.delete(origin);
    }
    await Promise.all(
      [...this.#registry.origins.values()].map(async (origin) => {
        if (origin.api === undefined) return;
        const watched = this.#watchedOf(origin);
        if (watched.busy) return;
        watched.busy = true;
        await this.#ask(origin, watched);
        watched.busy = false;
      }),
    );
  }

  #watchedOf(origin: Origin): Watched {
    let watched = this.#watched.get(origin);
    if (watched === undefined) {
      watched = { nextReconcile: performance.now() + this.#registry.times.reconcile, busy: false };
      this.#watched.set(origin, watched);
    }
    return watched;
  }

  async #ask(origin: Origin, watched: Watched): Promise<void> {
    const { reconcile, poll } = this.#registry.times;
    const timeout = Math.min(MAX_TIMEOUT_MS, poll * 2);
    try {
      const wasAlive = this.#registry.isAlive(origin);
      const { service } = VERSIONS.parse(await this.#get(origin, '/api/v1/versions', timeout));
      const restarted = origin.service !== undefined && service !== origin.service;
      // The same, unless it was forgotten while it was asked.
      const known = this.#registry.see({ rtmp: origin.rtmp, api: origin.api, service });
      const now = performance.now();
      if (wasAlive && !restarted && now < watched.nextReconcile) return;
      watched.nextReconcile = now + reconcile;
      this.#reconcile(known, await this.#published(origin, timeout), now);
    } catch (error) {
      if (error instanceof RegistryFullError) this.#log(`origin ${origin.key}: ${error.message}`);
      // No sign of life is the whole consequence of no answer: the registry lets it die.
    }
  }

  /**
   * The origin has the last word about itself.
   * @param askedAt what was heard of later, or shortly before, is not judged by this answer
   */
  #reconcile(origin: Origin, published: Published, askedAt: number): void {
    if (this.#mutants.has('manager-believes-reports-only')) return;
    // Forgotten meanwhile: what is put there nobody would ever take away.
    if (this.#registry.origins.get(origin.key) !== origin) return;
    for (const publication of [...origin.streams.values()]) {
      if (published.has(publication.key) || askedAt - publication.heardAt < this.#registry.times.grace)
        continue;
      this.#log(`origin ${origin.key} has no ${publication.key} any more`);
      this.#registry.withdraw(publication);
    }
    for (const [key, client] of published) this.#registry.publish(origin, key, client, true);
  }

  async #published(origin: Origin, timeoutMs: number): Promise<Published> {
    const published = new Map<string, string>();
    for (let page = 0; page < MAX_PAGES; page++) {
      const path = `/api/v1/streams/?start=${page * PAGE}&count=${PAGE}`;
      const { streams } = STREAMS.parse(await this.#get(origin, path, timeoutMs));
      for (const { name, app, url, publish } of streams) {
        if (publish.active) published.set(streamKey(vhostOfUrl(url), app, name), publish.cid ?? '');
      }
      if (streams.length < PAGE) break;
    }
    return published;
  }

  async #get(origin: Origin, path: string, timeoutMs: number): Promise<unknown> {
    const at = parseAddress(origin.api ?? '');
    if (at === undefined) throw new Error(`no API: ${origin.api}`);
    return JSON.parse(await requestText(at, 'GET', path, { timeoutMs, maxBody: MAX_BODY }));
  }
}

/** `/app/stream` of the default vhost, `vhost/app/stream` of another (facts/srs.md 3.2). */
function vhostOfUrl(url: string): string {
  const slash = url.indexOf('/');
  return slash > 0 ? url.slice(0, slash) : DEFAULT_VHOST;
}
