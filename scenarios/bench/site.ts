/** A cluster that stands for a benchmark: streams that are published, and URLs that play them. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { HlsOptions } from '../../drivers/client.ts';
import { type Publication, Publishing } from '../../drivers/measure/publishing.ts';
import { MediaSource } from '../../drivers/measure/source.ts';
import { Crowd } from '../../drivers/swarm/crowd.ts';
import type { MutantId } from '../../lab/builtin/mutants.ts';
import type { Cluster, Entry } from '../../lab/cluster.ts';
import { connectionsFor } from '../../lab/runners/launch.ts';
import { startCluster } from '../../lab/runners/process.ts';
import type { EngineName, EntryProtocol, Topology } from '../../lab/topology.ts';
import { MEDIA } from '../benchmark/children.ts';
import { fetchOnce } from '../wire/fetch.ts';
import { PROTOCOLS, type Protocol, type PublishProtocol } from './profile.ts';

export const APP = 'live';
/** SRS's defaults; fragments as short as the guide's (seeds/004), so that a short run sees some. */
const SETTINGS = {
  mergedWriteMs: 350,
  queueSeconds: 30,
  gopCache: true,
  hls: { fragmentSeconds: 1, windowSeconds: 6, sessions: false },
};
/** A segment is a fragment and up to a keyframe long; a player begins three target durations back. */
const HLS_LISTED = 4;
const HLS_WITHIN_MS = 30_000;
const HLS_ASK_EVERY_MS = 250;
const PUBLISHED_WITHIN_MS = 10_000;
/** Media, and no handshake (3 kB) or commands. */
const PASSED_ON_BYTES = 20_000;
const PASSED_ON_WITHIN_MS = 5000;

export interface SiteRequest {
  readonly topology: Topology;
  readonly engine: EngineName;
  readonly srsPath?: string;
  readonly proxyPath?: string;
  readonly openUdp?: boolean;
  readonly basePort?: number;
  readonly mutant?: MutantId;
  readonly signal: AbortSignal;
}

/** Where one protocol is played. */
export interface Seat {
  readonly protocol: Protocol;
  readonly entry: Entry;
  readonly url: string;
  readonly hls?: HlsOptions;
}

export class Site {
  readonly cluster: Cluster;
  readonly #runDir: string;
  readonly #source = MediaSource.load(MEDIA);
  readonly #publishing = new Publishing(this.#source);
  readonly #keepers: Crowd[] = [];
  /** By URL. */
  readonly #published = new Map<string, Publication>();

  private constructor(cluster: Cluster, runDir: string) {
    this.cluster = cluster;
    this.#runDir = runDir;
  }

  /** Rejects with LabError when the cluster does not come up. */
  static async open(request: SiteRequest): Promise<Site> {
    const { mutant, ...options } = request;
    const runDir = mkdtempSync(join(tmpdir(), 'liveproof-bench-'));
    try {
      const mutants = mutant === undefined ? [] : [mutant];
      const cluster = await startCluster({ ...options, runDir, settings: SETTINGS, mutants });
      return new Site(cluster, runDir);
    } catch (error) {
      rmSync(runDir, { recursive: true, force: true });
      throw error;
    }
  }

  /** Protocols that can be published and played here. */
  get protocols(): Protocol[] {
    return PROTOCOLS.filter((protocol) => this.#offers('play', protocol) && this.takes(sourceOf(protocol)));
  }

  /** Whether a stream can be published here over this protocol. */
  takes(protocol: EntryProtocol): boolean {
    return this.#offers('publish', protocol);
  }

  #offers(use: Entry['use'], protocol: EntryProtocol): boolean {
    return this.cluster.entries.some((entry) => entry.use === use && entry.protocol === protocol);
  }

  /** The usual entry of a protocol, or that of `node`; its stream is published, and HLS is there, when this resolves. */
  async seat(protocol: Protocol, signal: AbortSignal, node?: string): Promise<Seat> {
    const stream = await this.#publish(sourceOf(protocol), signal);
    const entry = this.cluster.entry('play', protocol, node);
    const url = entry.url(APP, stream);
    if (protocol !== 'hls') return { protocol, entry, url };
    this.#keepEdgesCutting(entry, stream);
    await untilListed(url, signal);
    // Of the ladder of nginx-rtmp, what was published, with its stamps, has the most bits.
    return { protocol, entry, url, hls: { variant: 'highest' } };
  }

  /** The longest time from one keyframe of the published streams to the next. */
  get keyframeMs(): number {
    const { items, duration } = this.#source;
    const keyframes = items.filter(({ template }) => template?.keyframe).map(({ timestamp }) => timestamp);
    const next = [...keyframes.slice(1), keyframes[0]! + duration];
    return Math.max(...keyframes.map((timestamp, index) => next[index]! - timestamp));
  }

  /** How many players an entry can take on this machine. */
  mostPlayers({ node }: Entry): number {
    const role = this.cluster.nodes.get(node)?.spec.role;
    return connectionsFor(role === 'balancer' || role === 'web' || role === 'proxy' ? 2 : 1);
  }

  /** Publishes again what was lost. */
  async revive(signal: AbortSignal): Promise<void> {
    for (const [url, { client }] of this.#published) {
      if (client.closed !== undefined) await this.#publishAnew(url, signal);
    }
  }

  /** Publishers that are gone: what players miss then is no fault of the server's. */
  get lost(): string[] {
    return [...this.#published.values()].flatMap(({ url, client: { closed } }) =>
      closed === undefined ? [] : [`the publisher of ${url} was lost: ${closed.code}`],
    );
  }

  /**
   * Publishes what RTMP has to every origin that would send who asks for it to another one: who is sent there by a 302 goes
   * past the taps on the links, and nobody sees what it fetches.
   */
  async publishAtCoworkers(signal: AbortSignal): Promise<void> {
    const { topology, entries } = this.cluster;
    const redirecting = topology.nodes.filter(({ coworkers = [] }) => coworkers.length > 0);
    if (redirecting.length === 0) return;
    await this.#publish('rtmp', signal);
    const taken = await this.#whereItCame(this.cluster.entry('publish', 'rtmp').node, signal);
    if (taken === undefined) return;
    for (const { name } of redirecting.filter(({ name }) => name !== taken)) {
      const entry = entries.find(
        ({ use, protocol, node }) => use === 'publish' && protocol === 'rtmp' && node === name,
      );
      if (entry !== undefined) await this.#publishAt(entry, signal);
    }
  }

  /** The origin that has what is published at a node: itself, or the one that an edge passes it on to. */
  async #whereItCame(node: string, signal: AbortSignal): Promise<string | undefined> {
    if (this.cluster.nodes.get(node)?.spec.role === 'origin') return node;
    const links = this.cluster.taps.filter(({ from, carries }) => from === node && carries === 'rtmp');
    const before = links.map(({ bytesUp }) => bytesUp);
    const deadline = performance.now() + PASSED_ON_WITHIN_MS;
    while (performance.now() < deadline) {
      const link = links.find(({ bytesUp }, index) => bytesUp - before[index]! > PASSED_ON_BYTES);
      if (link !== undefined) return link.to;
      await sleep(50, undefined, { signal });
    }
    return undefined;
  }

  async #publish(protocol: EntryProtocol, signal: AbortSignal): Promise<string> {
    await this.#publishAt(this.cluster.entry('publish', protocol), signal);
    return streamOf(protocol);
  }

  async #publishAt(entry: Entry, signal: AbortSignal): Promise<void> {
    const url = entry.url(APP, streamOf(entry.protocol));
    if (!this.#published.has(url)) await this.#publishAnew(url, signal);
  }

  async #publishAnew(url: string, signal: AbortSignal): Promise<void> {
    const publication = this.#publishing.add(url);
    this.#published.set(url, publication);
    const deadline = performance.now() + PUBLISHED_WITHIN_MS;
    while (publication.frames === 0) {
      const { closed } = publication.client;
      if (closed !== undefined) throw new Error(`${url} is not let in: ${closed.code}, ${closed.detail}`);
      if (performance.now() > deadline) throw new Error(`${url} is not let in`);
      await sleep(20, undefined, { signal });
    }
  }

  /** As SRS does it, an edge cuts HLS only while somebody plays the stream there over RTMP or HTTP-FLV. */
  #keepEdgesCutting(entry: Entry, stream: string): void {
    if (this.#keepers.length > 0) return;
    if (!this.cluster.topology.nodes.some(({ role, hls }) => role === 'edge' && hls)) return;
    const flv = this.cluster.entries.find(
      ({ use, protocol, node }) => use === 'play' && protocol === 'flv' && node === entry.node,
    );
    if (flv === undefined) return;
    const keeper = new Crowd({ urls: [flv.url(APP, stream)], clients: 1, rampMs: 0 });
    keeper.start();
    this.#keepers.push(keeper);
  }

  /** Nothing is left running. */
  async close(): Promise<void> {
    for (const keeper of this.#keepers) keeper.stop();
    this.#publishing.stop();
    await this.cluster.down();
    rmSync(this.#runDir, { recursive: true, force: true });
  }
}

function streamOf(protocol: EntryProtocol): string {
  return `bench-${protocol}`;
}

/** What a stream is published with, so that it can be played: SRS has no way from RTMP to SRT (facts/srs.md 12). */
export function sourceOf(protocol: Protocol): PublishProtocol {
  return protocol === 'srt' ? 'srt' : 'rtmp';
}

async function untilListed(url: string, signal: AbortSignal): Promise<void> {
  const deadline = performance.now() + HLS_WITHIN_MS;
  for (;;) {
    const { status, body } = await fetchOnce(url, { signal });
    const text = status === 200 ? Buffer.from(body).toString('utf8') : '';
    const variant = highestOf(text);
    if (variant !== undefined) return await untilListed(new URL(variant, url).href, signal);
    if ((text.match(/^#EXTINF:/gm) ?? []).length >= HLS_LISTED) return;
    if (performance.now() > deadline) {
      throw new Error(`${url} does not list ${HLS_LISTED} segments; its last answer had status ${status}`);
    }
    await sleep(HLS_ASK_EVERY_MS, undefined, { signal });
  }
}

/** The URI of the last variant of a master playlist: all are there when one is. */
function highestOf(text: string): string | undefined {
  const lines = text.split(/\r?\n/);
  const at = lines.findLastIndex((line) => line.startsWith('#EXT-X-STREAM-INF:'));
  return at === -1 ? undefined : lines[at + 1];
}
