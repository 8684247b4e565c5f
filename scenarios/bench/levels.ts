/** How much later a frame is at each level of a cluster: at the origin, at an edge, at an edge of that edge. */
import type { EngineName, Topology } from '../../lab/topology.ts';
import type { BenchContext } from './context.ts';
import { rampOf } from './latency.ts';
import { measure } from './measure.ts';
import { Site, type SiteRequest } from './site.ts';

const LEVELS = ['origin', 'edge-1', 'edge-2'] as const;

const CHAIN: Topology = {
  name: 'levels',
  title: 'An origin, an edge, and an edge of that edge',
  source: 'scenarios/bench/levels.ts',
  nodes: [
    { name: 'origin', role: 'origin', upstreams: [] },
    { name: 'edge-1', role: 'edge', upstreams: ['origin'] },
    { name: 'edge-2', role: 'edge', upstreams: ['edge-1'] },
  ],
  entries: [
    { node: 'origin', protocol: 'rtmp', use: 'publish' },
    ...LEVELS.map((node) => ({ node, protocol: 'rtmp', use: 'play' }) as const),
  ],
};

export interface Levels {
  readonly engine: EngineName;
  /** Steady latency p50 by level, in ms; null without a frame. */
  readonly latency: readonly { readonly node: string; readonly p50: number | null }[];
  readonly healthy: boolean;
}

/** Undefined when it was interrupted. */
export async function measureLevels(
  request: Omit<SiteRequest, 'topology'>,
  { profile, signal, show }: BenchContext,
): Promise<Levels | undefined> {
  const { engine } = request;
  const { players, ms } = profile.levels;
  show(`claims: latency by level, ${players} players at each of ${LEVELS.join(', ')}`);
  const site = await Site.open({ ...request, topology: CHAIN });
  try {
    // At the same time: what the machine does meanwhile is the same for all.
    const measured = await Promise.all(
      LEVELS.map(async (node) => {
        const { url } = await site.seat('rtmp', signal, node);
        const rampMs = rampOf(players, profile);
        return measure({ site, urls: [url], players, rampMs, steadyMs: ms, signal });
      }),
    );
    const complete = measured.filter((one) => one !== undefined);
    if (complete.length < LEVELS.length) return undefined;
    return {
      engine,
      latency: LEVELS.map((node, index) => ({ node, p50: complete[index]!.steady.percentile(50) })),
      healthy: complete.every(({ generator }) => generator.healthy),
    };
  } finally {
    await site.close();
  }
}
