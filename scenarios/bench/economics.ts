/**
 * What leaves the origins for what viewers get, against the number of viewers: with merged pulls, without, from a local
 * origin, through a cache and past it.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Cluster, Tap } from '../../lab/cluster.ts';
import type { Role, Topology } from '../../lab/topology.ts';
import type { BenchEconomics } from '../../reports/results-bench.ts';
import type { BenchContext } from './context.ts';
import { rampOf } from './latency.ts';
import { measure, type Task } from './measure.ts';
import type { Protocol } from './profile.ts';
import type { Seat, Site } from './site.ts';

const ORIGINS: readonly Role[] = ['origin', 'master', 'slave'];
const FRONTS: readonly Role[] = ['balancer', 'web', 'proxy'];

export interface Front {
  readonly node: string;
  readonly protocol: Protocol;
}

/**
 * Where viewers of a cluster come in, and its origins are behind a link: fronts, and edges that have none. HLS counts where
 * it is fetched over a link, not where an Nginx serves a folder; beside a cache, its upstreams are entries of their own.
 */
export function frontsOf({ topology, entries }: Pick<Cluster, 'topology' | 'entries'>): Front[] {
  const plays = (node: string, protocol: Protocol): boolean =>
    entries.some((entry) => entry.use === 'play' && entry.node === node && entry.protocol === protocol);
  const behind = new Set(
    topology.nodes.filter(({ role }) => FRONTS.includes(role)).flatMap(({ upstreams }) => upstreams),
  );
  const feeds = new Set(
    topology.nodes.filter(({ role }) => role === 'edge').flatMap(({ upstreams }) => upstreams),
  );
  const fronts = topology.nodes.filter(
    ({ name, role }) => !behind.has(name) && (FRONTS.includes(role) || (role === 'edge' && !feeds.has(name))),
  );
  return fronts.flatMap(({ name, web, upstreams }): Front[] => {
    if (web === 'cache')
      return [name, ...upstreams]
        .filter((node) => plays(node, 'hls'))
        .map((node) => ({ node, protocol: 'hls' }));
    if (web === 'files') return [];
    const protocol = (['flv', 'rtmp'] as const).find((candidate) => plays(name, candidate));
    return protocol === undefined ? [] : [{ node: name, protocol }];
  });
}

/**
 * Nodes that fetch a stream once for all its players, next to the origins: edges, of which a local origin stands for those
 * behind it, or an HLS cache. Empty where any way has none: a proxy opens a connection for each player.
 */
export function mergersOf({ nodes }: Topology, front: string): string[] {
  const next = (name: string): string[] | undefined => {
    const spec = nodes.find((node) => node.name === name);
    if (spec === undefined || spec.role === 'proxy' || ORIGINS.includes(spec.role)) return undefined;
    if (spec.web === 'cache') return [name];
    const behind = spec.upstreams.map(next);
    const found = behind.filter((mergers) => mergers !== undefined).flat();
    if (spec.role === 'edge') return found.length > 0 ? found : [name];
    return behind.includes(undefined) ? undefined : found;
  };
  return [...new Set(next(front) ?? [])];
}

/** Whether anybody fetches from an origin over a link, and not out of its folder. */
export function hasLinks({ nodes }: Topology): boolean {
  return nodes.some(({ upstreams, web }) => upstreams.length > 0 && web !== 'files');
}

export function canBeCounted({ topology, taps }: Cluster): boolean {
  return taps.length > 0 && topology.nodes.some(({ role }) => ORIGINS.includes(role));
}

/** Fronts that could not be measured before an interruption are left out. */
export async function measureEconomics(
  site: Site,
  variant: BenchEconomics['variant'],
  { profile, signal, show }: BenchContext,
): Promise<BenchEconomics[]> {
  const { cluster } = site;
  const { players: steps, ms, fewMs } = profile.economics;
  const rows: BenchEconomics[] = [];
  // Without merging only what edges pull is another.
  const fronts = frontsOf(cluster).filter(({ protocol }) => variant === 'merged' || protocol !== 'hls');
  await site.publishAtCoworkers(signal);
  for (const front of fronts) {
    const seat = await site.seat(front.protocol, signal, front.node);
    const own: BenchEconomics[] = [];
    const possible = steps.filter((count) => count <= site.mostPlayers(seat.entry));
    // At an origin itself it is the same share at any number.
    for (const players of isOrigin(site, front.node) ? possible.slice(-1) : possible) {
      show(`economics, ${variant}: ${players} players of ${front.protocol} at ${front.node}`);
      const row = await measureFront(site, seat, variant, {
        players,
        rampMs: rampOf(players, profile),
        steadyMs: players === steps.at(-1) ? ms : fewMs,
        signal,
      });
      if (row !== undefined) own.push(row);
    }
    // Who shows one row of a front shows that of the most viewers.
    rows.push(...own.reverse());
  }
  return rows;
}

async function measureFront(
  site: Site,
  { protocol, entry, url, hls }: Seat,
  variant: BenchEconomics['variant'],
  task: Pick<Task, 'players' | 'rampMs' | 'steadyMs' | 'signal'>,
): Promise<BenchEconomics | undefined> {
  const { topology, engine } = site.cluster;
  const egress = new Egress(site.cluster);
  await egress.atRest(task.signal);
  const ticks: { readonly viewers: number; readonly origins: number }[] = [];
  const measured = await measure({
    site,
    urls: [url],
    ...task,
    ...(hls && { client: { hls } }),
    onTick: ({ bytes }) => ticks.push({ viewers: bytes, origins: egress.bytes }),
  });
  const { bytes: fetched, pulls } = egress.end();
  if (measured === undefined) return undefined;
  const { bytes: viewerBytes, clients, seconds, generator } = measured;
  // Nothing stands between viewers of an origin and the origin.
  const isDirect = isOrigin(site, entry.node);
  const originBytes = isDirect ? viewerBytes : fetched;
  return {
    topology: topology.name,
    engine,
    protocol,
    at: entry.node,
    variant,
    requested: task.players,
    mergers: mergersOf(topology, entry.node),
    players: clients.joined,
    seconds,
    viewerBytes,
    originBytes,
    pulls: isDirect ? clients.joined : pulls,
    perViewerByte: viewerBytes > 0 ? originBytes / viewerBytes : null,
    samples: isDirect || !generator.healthy ? [] : sharesBetween(ticks),
    healthy: generator.healthy,
  };
}

function isOrigin({ cluster }: Site, node: string): boolean {
  return ORIGINS.includes(cluster.nodes.get(node)!.spec.role);
}

/** Of what viewers got from one tick to the next. The time before the first is left out: edges send what they keep. */
export function sharesBetween(
  ticks: readonly { readonly viewers: number; readonly origins: number }[],
): number[] {
  return ticks.slice(1).flatMap(({ viewers, origins }, index) => {
    const before = ticks[index]!;
    return viewers > before.viewers ? [(origins - before.origins) / (viewers - before.viewers)] : [];
  });
}

/** An edge lets go of its origin at once when its last player has left (facts/srs.md 1.2). */
const REST_MS = 500;
const REST_WITHIN_MS = 5000;
/** An RTMP connection that ends sooner pulled nothing: an origin answered it with a 302, or had no such stream. */
const LASTING_MS = 300;

/** What leaves the origins, by the taps on their links. */
class Egress {
  readonly #taps: readonly { readonly tap: Tap; readonly isPush: boolean }[];
  readonly #ends: (() => void)[] = [];
  /** Open before anybody plays: publishers that come through a proxy. */
  #resting = 0;
  #open = 0;
  #most = 0;
  #begun: number[] = [];
  /** RTMP connections that were opened, and are not counted yet. */
  readonly #young = new Map<string, NodeJS.Timeout>();

  constructor({ topology, taps }: Cluster) {
    const roleOf = (name: string): Role | undefined =>
      topology.nodes.find((node) => node.name === name)?.role;
    const isOrigin = (name: string): boolean => ORIGINS.includes(roleOf(name)!);
    this.#taps = taps
      .filter(({ to, carries }) => isOrigin(to) && isMedia(carries))
      .map((tap) => ({ tap, isPush: roleOf(tap.from) === 'master' }));
  }

  /** Resolves when those who played before are gone, as far as connections tell, and begins to count. */
  async atRest(signal: AbortSignal): Promise<void> {
    const openNow = (): number => this.#taps.reduce((sum, { tap }) => sum + tap.open, 0);
    const deadline = performance.now() + REST_WITHIN_MS;
    let calmSince = performance.now();
    this.#open = openNow();
    while (performance.now() - calmSince < REST_MS && performance.now() < deadline) {
      await sleep(REST_MS / 10, undefined, { signal });
      if (openNow() !== this.#open) calmSince = performance.now();
      this.#open = openNow();
    }
    // A cache keeps its connection open between requests, and uses it again: that one counts.
    this.#resting = this.#taps.reduce((sum, { tap }) => sum + (tap.carries === 'rtmp' ? tap.open : 0), 0);
    this.#most = this.#open;
    this.#begun = this.#taps.map(bytesOf);
    for (const { tap } of this.#taps) {
      this.#ends.push(
        tap.subscribe(({ type, tap: name, carries, connection }) => {
          const key = `${name} ${carries} ${connection}`;
          if (type === 'open' && carries !== 'rtmp') this.#opened();
          if (type === 'open' && carries === 'rtmp') {
            const counted = setTimeout(() => this.#opened(key), LASTING_MS);
            this.#young.set(key, counted);
          }
          if (type === 'close' && !this.#forget(key)) this.#open -= 1;
        }),
      );
    }
  }

  #opened(key?: string): void {
    if (key !== undefined) this.#young.delete(key);
    this.#open += 1;
    this.#most = Math.max(this.#most, this.#open);
  }

  /** Whether it was too young to be counted. */
  #forget(key: string): boolean {
    clearTimeout(this.#young.get(key));
    return this.#young.delete(key);
  }

  /** Since `atRest`. */
  get bytes(): number {
    return this.#taps.reduce((sum, one, index) => sum + bytesOf(one) - (this.#begun[index] ?? 0), 0);
  }

  end(): { bytes: number; pulls: number } {
    for (const end of this.#ends) end();
    for (const key of [...this.#young.keys()]) this.#forget(key);
    return { bytes: this.bytes, pulls: this.#most - this.#resting };
  }
}

function isMedia(carries: Tap['carries']): boolean {
  return carries === 'rtmp' || carries === 'http';
}

/** A master sends upstream, everybody else fetches. */
function bytesOf({ tap, isPush }: { tap: Tap; isPush: boolean }): number {
  return isPush ? tap.bytesUp : tap.bytesDown;
}
