/**
 * The state in Redis: what a manager that is started anew begins with, and how several managers know the same. Every
 * manager answers from its own memory, so that a Redis which is slow or gone delays nothing.
 *
 * | key | what |
 * |---|---|
 * | `<prefix>:origins` | hash: RTMP address to OriginRecord |
 * | `<prefix>:origin:<RTMP address>` | hash: stream key to StreamRecord |
 * | `<prefix>:marker` | gone when the data is lost |
 * | `<prefix>:changes` | channel: id of the manager that tells, a space, Changes |
 *
 * While Redis is gone, changes are remembered by what they are about, so that as many are kept as there are streams;
 * of withdrawals there is a limit. When it is back they are written. A Redis that is the same as before is then right
 * about what other managers did meanwhile; one that was started anew, or emptied, may have lost anything, and gets all
 * that is known here.
 */
import { Redis } from 'ioredis';
import { z } from 'zod';
import { randomId } from '../clients.ts';
import type { Log } from '../log.ts';
import type { Mutants } from '../mutants.ts';
import { parseAddress } from './address.ts';
import type { ManagerLimits, RedisConfig } from './config.ts';
import type { RedisState } from './metrics.ts';
import {
  type Origin,
  type Publication,
  type Registry,
  RegistryFullError,
  type RegistryListener,
} from './registry.ts';

/** Changes of so long, in ms, go to Redis together. */
const FLUSH_MS = 10;
/** While changes go on and on they wait this long, in ms, for one another: writing a few costs no more than writing one. */
const FLUSH_PAUSE_MS = 50;
/** Commands of one pipeline. */
const BATCH = 1000;
const COMMAND_TIMEOUT_MS = 3000;
const RECONNECT_MS = { first: 50, most: 500 };

const ORIGIN = z.object({
  api: z.string().max(300).optional(),
  service: z.string().max(128).optional(),
  /** Epoch ms. */
  seenAt: z.number(),
  ttlMs: z.number(),
});
const STREAM = z.object({ client: z.string().max(128), since: z.number() });

type OriginRecord = z.infer<typeof ORIGIN>;
type StreamRecord = z.infer<typeof STREAM>;

const CHANGES = z.object({
  changes: z.array(
    z.object({
      /** RTMP address. */
      origin: z.string(),
      /** Of the origin itself; null when it is forgotten. */
      record: ORIGIN.nullable().optional(),
      /**
       * Stream key to its record; when it is withdrawn, to the `since` of what was, or to null where that is not known. What
       * was published later stays.
       */
      streams: z.record(z.string(), z.union([STREAM, z.number(), z.null()])).optional(),
    }),
  ),
});

type Change = z.infer<typeof CHANGES>['changes'][number];

/** What Redis has not got yet. Values are read from the registry when they are written. */
interface Dirty {
  readonly origins: Map<string, 'present' | 'gone'>;
  /** RTMP address to stream keys. A withdrawn one has the `since` of what was withdrawn. */
  readonly streams: Map<string, Map<string, 'present' | number>>;
}

/** What is on its way to Redis; null for what is gone. */
interface Taken {
  readonly origins: ReadonlyMap<string, OriginRecord | null>;
  /** A withdrawn stream has the `since` of what was withdrawn, or null where that is not known. */
  readonly streams: ReadonlyMap<string, ReadonlyMap<string, StreamRecord | number | null>>;
}

/**
 * Takes a stream away, unless it has been published after what was withdrawn: by another manager, while this one had not
 * written yet. KEYS: streams of the origin. ARGV: stream key, `since`.
 */
const WITHDRAW = `
local found = redis.call('HGET', KEYS[1], ARGV[1])
if not found then return 0 end
local ok, record = pcall(cjson.decode, found)
if ok and type(record) == 'table' and (tonumber(record.since) or 0) > tonumber(ARGV[2]) then return 0 end
return redis.call('HDEL', KEYS[1], ARGV[1])
`;

interface Snapshot {
  readonly origins: Map<string, OriginRecord>;
  readonly streams: Map<string, Map<string, StreamRecord>>;
}

export class RedisStore implements RegistryListener {
  readonly #registry: Registry;
  readonly #limits: ManagerLimits;
  readonly #mutants: Mutants;
  readonly #log: Log;
  readonly #prefix: string;
  /** Of this manager, on the channel. */
  readonly #id = randomId();
  readonly #redis: Redis;
  readonly #subscriber: Redis;
  readonly #dirty: Dirty = { origins: new Map(), streams: new Map() };
  /** When the life of an origin was last written, by its RTMP address. */
  readonly #written = new Map<string, number>();
  #withdrawals = 0;
  /** Changes that are written and not answered yet. */
  #inFlight = 0;
  /** `run_id` of the Redis that has all that is known here; it changes with every start of it. */
  #runId: string | undefined;
  #state: 'down' | 'syncing' | 'up' = 'down';
  #syncing: Promise<void> | undefined;
  #losses = 0;
  #wasDown = false;
  #flushing = false;
  /** When it last began. */
  #flushedAt = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;

  constructor(
    config: RedisConfig,
    password: string | undefined,
    {
      registry,
      limits,
      mutants,
      log,
    }: { registry: Registry; limits: ManagerLimits; mutants: Mutants; log: Log },
  ) {
    this.#registry = registry;
    this.#limits = limits;
    this.#mutants = mutants;
    this.#log = log;
    this.#prefix = config.prefix ?? 'liveproof:streams';
    const options = {
      host: config.host,
      port: config.port,
      db: config.db ?? 0,
      ...(password === undefined ? {} : { password }),
      lazyConnect: true,
      enableOfflineQueue: false,
      maxRetriesPerRequest: 0,
      connectTimeout: COMMAND_TIMEOUT_MS,
      commandTimeout: COMMAND_TIMEOUT_MS,
      retryStrategy: (times: number) => Math.min(times * RECONNECT_MS.first, RECONNECT_MS.most),
    };
    this.#redis = new Redis(options);
    this.#subscriber = new Redis({ ...options, autoResubscribe: false });
    for (const connection of [this.#redis, this.#subscriber]) {
      // 'close' follows every error.
      connection.on('error', () => {});
      connection.on('ready', () => this.#beginSync());
      connection.on('close', () => this.#down());
    }
    this.#subscriber.on('message', (_channel: string, text: string) => this.#hear(text));
  }

  get state(): RedisState {
    let pending = this.#dirty.origins.size + this.#inFlight;
    for (const streams of this.#dirty.streams.values()) pending += streams.size;
    return { connected: this.#state === 'up', pending };
  }

  /** Resolves when the state that Redis has was read, or at once when there is no Redis: it is then tried for ever. */
  async start(): Promise<void> {
    this.#timer = setInterval(() => void this.#flush(), FLUSH_MS);
    await Promise.allSettled([this.#redis.connect(), this.#subscriber.connect()]);
    await this.#syncing;
  }

  close(): void {
    clearInterval(this.#timer);
    this.#redis.disconnect();
    this.#subscriber.disconnect();
  }

  onOrigin(origin: Origin): void {
    const written = this.#written.get(origin.key) ?? Number.NEGATIVE_INFINITY;
    const known = this.#dirty.origins.get(origin.key);
    if (known !== 'gone' && performance.now() - written < origin.ttlMs / 2) return;
    this.#written.set(origin.key, performance.now());
    this.#dirty.origins.set(origin.key, 'present');
  }

  onOriginForgotten(origin: Origin): void {
    this.#written.delete(origin.key);
    this.#dirty.origins.set(origin.key, 'gone');
    this.#dropDirty(origin.key);
  }

  onPublished({ origin, key }: Publication): void {
    this.#mark(origin.key, key, 'present');
  }

  onWithdrawn({ origin, key, since }: Publication): void {
    this.#mark(origin.key, key, since);
  }

  #mark(origin: string, key: string, what: 'present' | number): void {
    let streams = this.#dirty.streams.get(origin);
    if (streams === undefined) {
      streams = new Map();
      this.#dirty.streams.set(origin, streams);
    }
    if (typeof streams.get(key) === 'number') this.#withdrawals--;
    streams.set(key, what);
    if (typeof what === 'number' && ++this.#withdrawals > this.#limits.withdrawals) this.#forgetWithdrawal();
  }

  #forgetWithdrawal(): void {
    for (const [origin, streams] of this.#dirty.streams) {
      for (const [key, what] of streams) {
        if (what === 'present') continue;
        streams.delete(key);
        if (streams.size === 0) this.#dirty.streams.delete(origin);
        this.#withdrawals--;
        return;
      }
    }
  }

  /** Something of it is still to be written that a record of others does not go before: it has to be newer than a withdrawal. */
  #isChanged(origin: string, key: string, since: number): boolean {
    const streams = this.#dirty.streams.get(origin);
    const what = streams?.get(key);
    if (streams === undefined || typeof what !== 'number' || since <= what) return what !== undefined;
    streams.delete(key);
    if (streams.size === 0) this.#dirty.streams.delete(origin);
    this.#withdrawals--;
    return false;
  }

  #dropDirty(origin: string): void {
    for (const what of this.#dirty.streams.get(origin)?.values() ?? []) {
      if (typeof what === 'number') this.#withdrawals--;
    }
    this.#dirty.streams.delete(origin);
  }

  #down(): void {
    this.#losses++;
    this.#wasDown ||= this.#state === 'up';
    if (this.#state !== 'down') this.#log('redis is gone: what is known is answered, changes are kept');
    this.#state = 'down';
  }

  #beginSync(): void {
    const connected = this.#redis.status === 'ready' && this.#subscriber.status === 'ready';
    if (this.#state !== 'down' || !connected) return;
    this.#state = 'syncing';
    this.#syncing = this.#sync(this.#losses);
  }

  /** @param losses so many connections had been lost when it began: with another one it is void */
  async #sync(losses: number): Promise<void> {
    try {
      // What others change while the state is read is heard.
      await this.#subscriber.subscribe(`${this.#prefix}:changes`);
      const runId = /^run_id:(\w+)/m.exec(await this.#redis.info('server'))?.[1] ?? '';
      const marked = (await this.#redis.set(`${this.#prefix}:marker`, '1', 'GET')) !== null;
      const kept = marked && runId === this.#runId;
      if (this.#mutants.has('manager-loses-state-with-redis')) this.#forgetAll();
      await this.#write();
      const snapshot = await this.#read();
      if (losses !== this.#losses) return;
      const startsEmpty = this.#mutants.has('manager-starts-empty') && !this.#wasDown;
      if (!startsEmpty) this.#merge(snapshot, kept);
      this.#runId = runId;
      this.#state = 'up';
      const { origins, publications } = this.#registry;
      this.#log(
        `redis has ${kept ? 'kept' : 'got'} the state: ${origins.size} origins, ${publications} streams`,
      );
    } catch (error) {
      if (losses !== this.#losses) return;
      this.#state = 'down';
      this.#log(`redis: ${error instanceof Error ? error.message : String(error)}`);
      // A connection that is still there gives no event of its own.
      setTimeout(() => this.#beginSync(), RECONNECT_MS.most).unref();
    }
  }

  #forgetAll(): void {
    for (const origin of [...this.#registry.origins.values()]) this.#registry.dropOrigin(origin);
    this.#dirty.origins.clear();
    this.#dirty.streams.clear();
  }

  async #read(): Promise<Snapshot> {
    const snapshot: Snapshot = { origins: new Map(), streams: new Map() };
    const origins = await this.#redis.hgetall(`${this.#prefix}:origins`);
    for (const [key, text] of Object.entries(origins)) {
      const record = parseRecord(ORIGIN, text);
      if (record === undefined) continue;
      snapshot.origins.set(key, record);
      const streams = new Map<string, StreamRecord>();
      for (const [stream, one] of Object.entries(await this.#redis.hgetall(this.#streamsKey(key)))) {
        const publication = parseRecord(STREAM, one);
        if (publication !== undefined) streams.set(stream, publication);
      }
      snapshot.streams.set(key, streams);
    }
    return snapshot;
  }

  /** @param kept whether Redis is right about what is not in it */
  #merge(snapshot: Snapshot, kept: boolean): void {
    for (const [key, record] of snapshot.origins) {
      if (this.#dirty.origins.get(key) === 'gone') continue;
      const origin = this.#learnOrigin(key, record);
      if (origin === undefined) continue;
      for (const [stream, { client, since }] of snapshot.streams.get(key) ?? []) {
        if (!this.#isChanged(key, stream, since)) this.#learnStream(origin, stream, client, since);
      }
    }
    for (const origin of [...this.#registry.origins.values()]) {
      const theirs = snapshot.streams.get(origin.key);
      if (!kept || theirs === undefined) this.#dirty.origins.set(origin.key, 'present');
      for (const publication of [...origin.streams.values()]) {
        if (theirs?.has(publication.key) || this.#dirty.streams.get(origin.key)?.has(publication.key))
          continue;
        if (kept && theirs !== undefined) this.#registry.drop(publication);
        else this.#mark(origin.key, publication.key, 'present');
      }
    }
  }

  #learnOrigin(key: string, record: OriginRecord): Origin | undefined {
    const rtmp = parseAddress(key);
    if (rtmp === undefined) return undefined;
    const { api, service, ttlMs } = record;
    const seenAt = performance.now() - Math.max(0, Date.now() - record.seenAt);
    if (performance.now() - seenAt > ttlMs + this.#registry.times.forget) return undefined;
    try {
      return this.#registry.learn({ rtmp, api, service, ttlMs }, seenAt);
    } catch (error) {
      if (error instanceof RegistryFullError) return undefined;
      throw error;
    }
  }

  #learnStream(origin: Origin, key: string, client: string, since: number): void {
    const known = origin.streams.get(key);
    if (known !== undefined && known.since >= since) return;
    try {
      this.#registry.put(origin, key, client, since);
    } catch (error) {
      if (!(error instanceof RegistryFullError)) throw error;
    }
  }

  async #flush(): Promise<void> {
    if (this.#state !== 'up' || this.#flushing) return;
    if (this.#dirty.origins.size === 0 && this.#dirty.streams.size === 0) return;
    const now = performance.now();
    if (now - this.#flushedAt < FLUSH_PAUSE_MS) return;
    this.#flushedAt = now;
    this.#flushing = true;
    try {
      await this.#write();
    } catch (error) {
      this.#log(`redis: ${error instanceof Error ? error.message : String(error)}`);
    } finally {
      this.#flushing = false;
    }
  }

  /** Writes all that is dirty and tells the other managers. What was not written stays dirty. */
  async #write(): Promise<void> {
    if (this.#mutants.has('manager-writes-redis-once') && this.#wasDown) return;
    while (this.#dirty.origins.size > 0 || this.#dirty.streams.size > 0) {
      const taken = this.#take();
      const pipeline = this.#redis.pipeline();
      const changes: Change[] = [];
      for (const [key, record] of taken.origins) {
        changes.push({ origin: key, record });
        if (record !== null) pipeline.hset(`${this.#prefix}:origins`, key, JSON.stringify(record));
        else {
          pipeline.hdel(`${this.#prefix}:origins`, key);
          pipeline.del(this.#streamsKey(key));
        }
      }
      for (const [key, streams] of taken.streams) {
        const at = this.#streamsKey(key);
        for (const [stream, what] of streams) {
          if (what === null) pipeline.hdel(at, stream);
          else if (typeof what === 'number') pipeline.eval(WITHDRAW, 1, at, stream, what);
          else pipeline.hset(at, stream, JSON.stringify(what));
        }
        changes.push({ origin: key, streams: Object.fromEntries(streams) });
      }
      pipeline.publish(`${this.#prefix}:changes`, `${this.#id} ${JSON.stringify({ changes })}`);
      const inFlight = changes.length;
      this.#inFlight += inFlight;
      try {
        const results = await pipeline.exec();
        const failed = results?.find(([error]) => error !== null)?.[0];
        if (failed) throw failed;
      } catch (error) {
        this.#putBack(taken);
        throw error;
      } finally {
        this.#inFlight -= inFlight;
      }
    }
  }

  /** Up to a batch of what is dirty, with what it is now. */
  #take(): Taken {
    let room = BATCH;
    const origins = new Map<string, OriginRecord | null>();
    for (const key of this.#dirty.origins.keys()) {
      if (room-- <= 0) break;
      const origin = this.#registry.origins.get(key);
      origins.set(key, origin === undefined ? null : recordOf(origin));
      this.#dirty.origins.delete(key);
    }
    const streams = new Map<string, Map<string, StreamRecord | number | null>>();
    for (const [key, dirty] of this.#dirty.streams) {
      const some = new Map<string, StreamRecord | number | null>();
      for (const [stream, what] of dirty) {
        if (room-- <= 0) break;
        const publication = this.#registry.origins.get(key)?.streams.get(stream);
        some.set(
          stream,
          publication
            ? { client: publication.client, since: publication.since }
            : what === 'present'
              ? null
              : what,
        );
        dirty.delete(stream);
        if (typeof what === 'number') this.#withdrawals--;
      }
      if (some.size > 0) streams.set(key, some);
      if (dirty.size === 0) this.#dirty.streams.delete(key);
      if (room <= 0) break;
    }
    return { origins, streams };
  }

  #putBack(taken: Taken): void {
    for (const [key, record] of taken.origins) {
      if (!this.#dirty.origins.has(key)) this.#dirty.origins.set(key, record === null ? 'gone' : 'present');
    }
    for (const [key, streams] of taken.streams) {
      for (const [stream, what] of streams) {
        if (this.#dirty.streams.get(key)?.has(stream)) continue;
        this.#mark(key, stream, typeof what === 'number' ? what : 'present');
      }
    }
  }

  /** What another manager has changed. */
  #hear(text: string): void {
    const space = text.indexOf(' ');
    if (text.slice(0, space) === this.#id) return;
    const message = parseRecord(CHANGES, text.slice(space + 1));
    if (message === undefined) return;
    for (const { origin: key, record, streams } of message.changes) {
      const known = this.#registry.origins.get(key);
      if (record === null && known !== undefined && !this.#registry.isAlive(known))
        this.#registry.dropOrigin(known);
      const origin = record ? this.#learnOrigin(key, record) : this.#registry.origins.get(key);
      if (origin === undefined) continue;
      for (const [stream, one] of Object.entries(streams ?? {})) {
        if (one !== null && typeof one === 'object') {
          if (!this.#isChanged(key, stream, one.since))
            this.#learnStream(origin, stream, one.client, one.since);
        } else if (this.#dirty.streams.get(key)?.has(stream) !== true) {
          const known = origin.streams.get(stream);
          if (known !== undefined && known.since <= (one ?? Number.POSITIVE_INFINITY))
            this.#registry.drop(known);
        }
      }
    }
  }

  #streamsKey(origin: string): string {
    return `${this.#prefix}:origin:${origin}`;
  }
}

function recordOf({ api, service, seenAt, ttlMs }: Origin): OriginRecord {
  return {
    ...(api === undefined ? {} : { api }),
    ...(service === undefined ? {} : { service }),
    seenAt: Math.round(Date.now() - (performance.now() - seenAt)),
    ttlMs,
  };
}

function parseRecord<T>(schema: z.ZodType<T>, text: string): T | undefined {
  try {
    return schema.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}
