/** What leaves the origins for what viewers get: with merged pulls, without, from a local origin, through a cache. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Cluster, Tap } from '../../lab/cluster.ts';
import type { Role } from '../../lab/topology.ts';
import type { BenchEconomics } from '../../reports/results-bench.ts';
import type { BenchContext } from './context.ts';
import { rampOf } from './latency.ts';
import { measure } from './measure.ts';
import type { Protocol } from './profile.ts';
import type { Site } from './site.ts';

const ORIGINS: readonly Role[] = ['origin', 'master', 'slave'];
const FRONTS: readonly Role[] = ['balancer', 'web', 'proxy'];

export interface Front {
  readonly node: string;
  readonly protocol: Protocol;
}

/**
 * Where viewers of a cluster come in, and its origins are behind a link: fronts, and edges that have none. HLS counts where
 * it is fetched over a link: not where an Nginx serves a folder.
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
  return fronts.flatMap(({ name, web }): Front[] => {
    if (web === 'cache') return plays(name, 'hls') ? [{ node: name, protocol: 'hls' }] : [];
    if (web === 'files') return [];
    const protocol = (['flv', 'rtmp'] as const).find((candidate) => plays(name, candidate));
    return protocol === undefined ? [] : [{ node: name, protocol }];
  });
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
  const rows: BenchEconomics[] = [];
  // Without merging only what edges pull is another.
  const fronts = frontsOf(cluster).filter(({ protocol }) => variant === 'merged' || protocol !== 'hls');
  for (const { node, protocol } of fronts) {
    show(`economics, ${variant}: ${profile.economics.players} players of ${protocol} at ${node}`);
    const seat = await site.seat(protocol, signal, node);
    const egress = new Egress(cluster);
    await egress.atRest(signal);
    const measured = await measure({
      site,
      urls: [seat.url],
      players: profile.economics.players,
      rampMs: rampOf(profile.economics.players, profile),
      steadyMs: profile.economics.ms,
      ...(seat.hls && { client: { hls: seat.hls } }),
      signal,
    });
    const { bytes: originBytes, pulls } = egress.end();
    if (measured === undefined) break;
    rows.push({
      topology: cluster.topology.name,
      engine: cluster.engine,
      protocol,
      at: node,
      variant,
      players: measured.clients.joined,
      seconds: measured.seconds,
      viewerBytes: measured.bytes,
      originBytes,
      pulls,
      perViewerByte: measured.bytes > 0 ? originBytes / measured.bytes : null,
    });
  }
  return rows;
}

/** An edge lets go of its origin at once when its last player has left (facts/srs.md 1.2). */
const REST_MS = 500;
const REST_WITHIN_MS = 5000;

/** What leaves the origins, by the taps on their links. */
class Egress {
  readonly #taps: readonly { readonly tap: Tap; readonly isPush: boolean }[];
  readonly #ends: (() => void)[] = [];
  /** Open before anybody plays: publishers that come through a proxy. */
  #resting = 0;
  #open = 0;
  #most = 0;
  #begun: number[] = [];

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
        tap.subscribe(({ type }) => {
          if (type === 'open') this.#open += 1;
          if (type === 'close') this.#open -= 1;
          this.#most = Math.max(this.#most, this.#open);
        }),
      );
    }
  }

  end(): { bytes: number; pulls: number } {
    for (const end of this.#ends) end();
    return {
      bytes: this.#taps.reduce((sum, one, index) => sum + bytesOf(one) - (this.#begun[index] ?? 0), 0),
      pulls: this.#most - this.#resting,
    };
  }
}

function isMedia(carries: Tap['carries']): boolean {
  return carries === 'rtmp' || carries === 'http';
}

/** A master sends upstream, everybody else fetches. */
function bytesOf({ tap, isPush }: { tap: Tap; isPush: boolean }): number {
  return isPush ? tap.bytesUp : tap.bytesDown;
}
