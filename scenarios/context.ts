/** What a check holds in its hands while it runs. One per check; the gate makes it and takes it apart. */
import { createHash, randomInt } from 'node:crypto';
import { wallClock } from '../drivers/measure/clock.ts';
import type { ApiClient, Cluster, ClusterNode } from '../lab/cluster.ts';
import { LabError, LabErrorCode } from '../lab/errors.ts';
import type { Role } from '../lab/topology.ts';
import { SRT_PASSPHRASE } from './bounds.ts';
import {
  type ApiReading,
  type Check,
  type CheckContext,
  type HttpRequest,
  NotObservedError,
  type PlayProtocol,
  UnreachableError,
} from './check.ts';
import type { EventOf, ExchangeSeen, History, PlaylistSeen, StepData } from './history.ts';
import type {
  Crowd,
  CrowdRequest,
  EncodeRequest,
  PlayOptions,
  PublishRequest,
  RecordedEncoder,
  RecordedPlayer,
  RecordedPublisher,
  RecordedViewer,
  Stage,
  StageHand,
  WatchRequest,
} from './stage.ts';
import { fetchOnce } from './wire/fetch.ts';
import { WireTape } from './wire-tape.ts';

const APP = 'live';
export const MAX_SEED = 2 ** 32 - 1;
const API_POLL_MS = 50;
/** Of a playlist, in the history. */
const MAX_PLAYLIST_TEXT = 64 * 1024;
/** Node's answer to one request; SRS answers within its media loop, so a busy node takes longer. */
const API_TIMEOUT_MS = 2000;

export class GateContext implements CheckContext, StageHand {
  readonly check: string;
  readonly cluster: Cluster;
  readonly history: History;
  readonly signal: AbortSignal;
  readonly #stage: Stage;
  readonly #slug: string;
  /** Keeps the streams of two runs on one cluster apart. */
  readonly #nonce: string;
  readonly #labels = new Map<string, number>();
  readonly #cleanUps: (() => void | Promise<void>)[] = [];
  #takenDown = false;
  /** What ends the silence of a link. */
  readonly #silences = new Map<string, (() => void)[]>();
  readonly #awaited = new Set<string>();
  /** By client, of its latest connection. */
  readonly tapes = new Map<string, WireTape>();
  /** Nodes whose process this check ended or replaced itself. */
  readonly controlled = new Set<string>();

  /**
   * @param seed decides the names of streams, together with the check and how often it was asked before: an edge goes on
   *   with the next of its origins where it has had a stream.
   */
  constructor(
    check: Check,
    cluster: Cluster,
    history: History,
    stage: Stage,
    signal: AbortSignal,
    seed = randomSeed(),
    askedBefore = 0,
  ) {
    this.#nonce = nonceOf(`${seed} ${check.id}${' again'.repeat(askedBefore)}`);
    this.check = check.id;
    this.cluster = cluster;
    this.history = history;
    this.signal = signal;
    this.#stage = stage;
    this.#slug = check.id.replaceAll('/', '-');
  }

  get allowRemote(): boolean {
    return this.cluster.leadsAway === true;
  }

  get allowHosts(): readonly string[] {
    return this.cluster.leadsTo ?? [];
  }

  /** What is waited for right now, in words. */
  get awaited(): string[] {
    return [...this.#awaited];
  }

  stream(label = 'stream'): string {
    return this.#unique(`${this.#slug}-${label}-${this.#nonce}`);
  }

  publishUrl(stream: string, node?: string, protocol: 'rtmp' | 'srt' | 'webrtc' = 'rtmp'): string {
    if (protocol === 'rtmp' && node !== undefined) return this.#directUrl('rtmp', stream, node);
    return withSecret(this.cluster.entry('publish', protocol, node).url(APP, stream));
  }

  playUrl(protocol: PlayProtocol, stream: string, node?: string): string {
    if (node !== undefined && (protocol === 'rtmp' || protocol === 'flv')) {
      return this.#directUrl(protocol, stream, node);
    }
    return withSecret(this.cluster.entry('play', protocol, node).url(APP, stream));
  }

  nodes(role: Role): ClusterNode[] {
    return [...this.cluster.nodes.values()].filter((node) => node.spec.role === role);
  }

  async publish(request: PublishRequest): Promise<RecordedPublisher> {
    this.signal.throwIfAborted();
    return this.#stage.publish(this, { ...request, label: this.#unique(request.label ?? 'publisher') });
  }

  play(url: string, label = 'player', options: PlayOptions = {}): RecordedPlayer {
    this.signal.throwIfAborted();
    return this.#stage.play(this, url, this.#unique(label), options);
  }

  async encode(request: EncodeRequest): Promise<RecordedEncoder> {
    this.signal.throwIfAborted();
    return this.#stage.encode(this, { ...request, label: this.#unique(request.label ?? 'encoder') });
  }

  watch(request: WatchRequest): RecordedViewer {
    this.signal.throwIfAborted();
    return this.#stage.watch(this, { ...request, label: this.#unique(request.label ?? 'viewer') });
  }

  async http(url: string, request: HttpRequest): Promise<ExchangeSeen & { body: Uint8Array }> {
    this.signal.throwIfAborted();
    const { label: client, ...options } = request;
    const answer = await fetchOnce(url, { ...options, signal: this.signal });
    this.signal.throwIfAborted();
    const { body, ...exchange } = answer;
    const t = wallClock.now();
    this.history.append({ t, type: 'http.exchange', client, ...exchange });
    if (exchange.status === 200 && exchange.kind === 'playlist' && exchange.method === 'GET') {
      const playlist = playlistSeen(url, exchange.sentAt, body);
      if (playlist !== undefined) this.history.append({ t, type: 'hls.playlist', client, ...playlist });
    }
    return answer;
  }

  async crowd(request: CrowdRequest): Promise<Crowd> {
    this.signal.throwIfAborted();
    return this.#stage.crowd(this, { ...request, label: this.#unique(request.label) });
  }

  tape(label: string, url: string): WireTape {
    const tape = new WireTape(url);
    this.tapes.set(label, tape);
    return tape;
  }

  cleanUp(action: () => void | Promise<void>): void {
    if (this.#takenDown) void action();
    else this.#cleanUps.push(action);
  }

  /** Runs what `cleanUp` was given, last one first, each once. Rejects when one of them does, after all have run. */
  async takeDown(): Promise<void> {
    this.#takenDown = true;
    const errors: unknown[] = [];
    for (let action = this.#cleanUps.pop(); action !== undefined; action = this.#cleanUps.pop()) {
      try {
        await action();
      } catch (error) {
        errors.push(error);
      }
    }
    if (errors.length > 0) throw new AggregateError(errors, errors.map(String).join('; '));
  }

  until(what: string, withinMs: number, matches: (history: History) => boolean): Promise<void> {
    let unsubscribe = () => {};
    let asked = false;
    const matched = new Promise<void>((resolve, reject) => {
      const ask = () => {
        asked = false;
        try {
          if (matches(this.history)) resolve();
        } catch (error) {
          reject(error);
        }
      };
      // Many events of one read of a socket are one question.
      unsubscribe = this.history.subscribe(() => {
        if (asked) return;
        asked = true;
        setImmediate(ask);
      });
      ask();
    });
    return this.within(what, withinMs, matched).finally(unsubscribe);
  }

  async within<T>(what: string, withinMs: number, promise: Promise<T>): Promise<T> {
    promise.catch(() => {});
    this.signal.throwIfAborted();
    let timer: NodeJS.Timeout | undefined;
    let onAbort = () => {};
    this.#awaited.add(what);
    try {
      return await Promise.race([
        promise,
        new Promise<never>((_, reject) => {
          timer = setTimeout(() => reject(this.#notObserved(what, withinMs)), withinMs);
          onAbort = () => reject(this.signal.reason);
          this.signal.addEventListener('abort', onAbort, { once: true });
        }),
      ]);
    } catch (error) {
      if (error instanceof UnreachableError) throw this.#notObserved(`${what} (${error.message})`, withinMs);
      throw error;
    } finally {
      clearTimeout(timer);
      this.signal.removeEventListener('abort', onAbort);
      // At the deadline the gate still asks what was awaited.
      if (!this.signal.aborted) this.#awaited.delete(what);
    }
  }

  async observe(ms: number, why: string): Promise<void> {
    this.step('observe', { ms, why });
    let timer: NodeJS.Timeout | undefined;
    let onAbort = () => {};
    try {
      await new Promise<void>((resolve, reject) => {
        this.signal.throwIfAborted();
        timer = setTimeout(resolve, ms);
        onAbort = () => reject(this.signal.reason);
        this.signal.addEventListener('abort', onAbort, { once: true });
      });
    } finally {
      clearTimeout(timer);
      this.signal.removeEventListener('abort', onAbort);
    }
    this.step('observed', { ms, why });
  }

  async readApi(node: string, stream: string): Promise<ApiReading> {
    const reading = await this.#reading(node, stream);
    this.#recordReading(node, stream, reading);
    return reading;
  }

  async untilApi(
    node: string,
    stream: string,
    withinMs: number,
    matches: (reading: ApiReading) => boolean,
  ): Promise<ApiReading> {
    const what = `API of ${node} as expected for ${stream}`;
    const end = performance.now() + withinMs;
    this.#awaited.add(what);
    for (;;) {
      const reading = await this.#reading(node, stream);
      const over = performance.now() >= end;
      if (matches(reading) || over) {
        this.#recordReading(node, stream, reading);
        this.#awaited.delete(what);
        if (matches(reading)) return reading;
        throw this.#notObserved(what, withinMs);
      }
      await new Promise((resolve) => setTimeout(resolve, API_POLL_MS));
      this.signal.throwIfAborted();
    }
  }

  step(step: string, data: StepData = {}): number {
    const t = wallClock.now();
    this.history.append({ t, type: 'step', step, data });
    return t;
  }

  async control(node: ClusterNode, action: 'kill' | 'freeze' | 'thaw' | 'restart'): Promise<void> {
    this.signal.throwIfAborted();
    const { name } = node.spec;
    if (action === 'kill' || action === 'restart') this.controlled.add(name);
    this.history.append({ t: wallClock.now(), type: 'node.control', node: name, action });
    await node[action]();
  }

  link(from: string, to: string, action: EventOf<'link.control'>['action']): void {
    this.signal.throwIfAborted();
    const link = `${from}>${to}`;
    const taps = this.cluster.taps.filter((tap) => tap.from === from && tap.to === to);
    if (taps.length === 0) throw new Error(`there is no tap between ${from} and ${to}`);
    const lift = () => {
      for (const end of this.#silences.get(link) ?? []) end();
      this.#silences.delete(link);
    };
    this.history.append({ t: wallClock.now(), type: 'link.control', link, action });
    if (action === 'silence') {
      const silence = { type: 'timeout', timeout: 0 } as const;
      const ends = taps.flatMap((tap) => [
        tap.addToxic('upstream', silence),
        tap.addToxic('downstream', silence),
      ]);
      this.#silences.set(link, ends);
      this.cleanUp(lift);
    } else if (action === 'lift') lift();
    else {
      for (const tap of taps) tap[action]();
      this.cleanUp(() => {
        for (const tap of taps) tap.restore();
      });
    }
  }

  #notObserved(what: string, withinMs: number): NotObservedError {
    this.history.append({ t: wallClock.now(), type: 'not-observed', what, withinMs });
    return new NotObservedError(what, withinMs);
  }

  async #reading(node: string, stream: string): Promise<ApiReading> {
    const clients = await this.within(
      `answer of the HTTP API of ${node}`,
      API_TIMEOUT_MS,
      this.cluster.api(node).clients(),
    );
    return readingOf(clients, APP, stream, addressBook(this.nodes('edge')));
  }

  #recordReading(node: string, stream: string, reading: ApiReading): void {
    this.history.append({ t: wallClock.now(), type: 'api.stream', node, stream, ...reading });
  }

  #directUrl(protocol: 'rtmp' | 'flv', stream: string, name: string): string {
    const node = this.cluster.nodes.get(name);
    const port = protocol === 'rtmp' ? node?.ports.rtmp : node?.ports.http;
    if (node === undefined || port === undefined) {
      throw new LabError(LabErrorCode.Absent, `node ${name} has no ${protocol} port`);
    }
    return protocol === 'rtmp'
      ? `rtmp://${node.host}:${port}/${APP}/${stream}`
      : `http://${node.host}:${port}/${APP}/${stream}.flv`;
  }

  #unique(label: string): string {
    const count = (this.#labels.get(label) ?? 0) + 1;
    this.#labels.set(label, count);
    return count === 1 ? label : `${label}-${count}`;
  }
}

export function randomSeed(): number {
  return randomInt(MAX_SEED + 1);
}

function nonceOf(text: string): string {
  const number = createHash('sha256').update(text).digest().readUInt32BE();
  return (number % 36 ** 4).toString(36);
}

/** Address to name. */
function addressBook(nodes: readonly ClusterNode[]): Map<string, string> {
  return new Map(
    nodes.flatMap(({ spec, host, addresses = [host] }) =>
      addresses.map((address): [string, string] => [address, spec.name]),
    ),
  );
}

function withSecret(url: string): string {
  return url.startsWith('srt:') ? `${url}&passphrase=${SRT_PASSPHRASE}` : url;
}

/** As it came, of whatever form; undefined when it is no text. */
export function playlistSeen(url: string, sentAt: number, body: Uint8Array): PlaylistSeen | undefined {
  const text = new TextDecoder().decode(body.subarray(0, MAX_PLAYLIST_TEXT));
  if (!text.startsWith('#EXTM3U')) return undefined;
  return { url, sentAt, kind: /^#EXT-X-STREAM-INF:/m.test(text) ? 'master' : 'media', text };
}

/**
 * Counts the clients of one stream. An upstream pull is a play that comes from an edge's address: SRS shows nothing
 * else by which an edge could be told from a player (facts/srs.md 3.4).
 * @param edges address to name.
 */
export function readingOf(
  clients: readonly ApiClient[],
  app: string,
  stream: string,
  edges: ReadonlyMap<string, string>,
): ApiReading {
  const path = `/${app}/${stream}`;
  const own = clients.filter(({ url }) => withoutExtension(pathOf(url)) === path);
  const upstreamsOf: Record<string, number> = {};
  let upstreams = 0;
  for (const client of own) {
    const edge = edges.get(client.ip);
    if (client.publish || edge === undefined) continue;
    upstreams++;
    upstreamsOf[edge] = (upstreamsOf[edge] ?? 0) + 1;
  }
  return { clients: own.length, upstreams, upstreamsOf, publishers: own.filter((c) => c.publish).length };
}

function pathOf(url: string): string {
  return url.split('?', 1)[0]!;
}

function withoutExtension(path: string): string {
  return path.replace(/\.\w+$/, '');
}
