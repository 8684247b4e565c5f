/**
 * What a client takes of one process of a server that has nothing before or behind it, as published figures of a core have it:
 * with few clients, and with many. WebRTC has a process of its own, as a bridge to it makes Opus of every stream that comes in.
 */
import type { Cluster } from '../../lab/cluster.ts';
import type { Topology } from '../../lab/topology.ts';
import type { BenchLadder, BenchStep } from '../../reports/results-bench.ts';
import { stepOfPlayers, stepOfPublishers } from './concurrency.ts';
import type { BenchContext } from './context.ts';
import { perClientOf } from './gave-way.ts';
import { Site, type SiteRequest } from './site.ts';

export const ONE_NODE = 'one-node';

const ALONE: Topology = {
  name: ONE_NODE,
  title: 'One origin',
  source: 'scenarios/bench/one-node.ts',
  nodes: [{ name: 'origin', role: 'origin', upstreams: [] }],
  entries: [
    { node: 'origin', protocol: 'rtmp', use: 'publish' },
    { node: 'origin', protocol: 'rtmp', use: 'play' },
  ],
};
const WITH_WEBRTC: Topology = {
  ...ALONE,
  nodes: ALONE.nodes.map((node) => ({ ...node, rtc: true })),
  entries: [...ALONE.entries, { node: 'origin', protocol: 'webrtc', use: 'play' }],
};

/** Clients of one kind, and what one more of them takes. */
export type Capacity = Pick<
  BenchLadder,
  'topology' | 'engine' | 'climbs' | 'protocol' | 'perClient' | 'largest'
> & {
  /** How busy the machine was with the most of them. */
  readonly machineShare?: number;
};

/** Of every kind of client that the engine takes as it was started; what an interruption cut off is not in it. */
export async function measureOneNode(
  request: Omit<SiteRequest, 'topology'>,
  context: BenchContext,
  onUp?: (cluster: Cluster) => Promise<void> | void,
): Promise<Capacity[]> {
  const { signal, profile } = context;
  const { rtmp, publishers, webrtc, ms } = profile.oneNode;
  const own: BenchContext = {
    ...context,
    profile: { ...profile, ladder: { ...profile.ladder, steadyMs: ms } },
  };
  const found: Capacity[] = [];
  await at(ALONE, async (site) => {
    const seat = await site.seat('rtmp', signal);
    await compare('players', 'rtmp', rtmp, (players) => stepOfPlayers(site, seat, players, own));
    await compare('publishers', 'rtmp', publishers, (streams) =>
      stepOfPublishers(site, 'rtmp', streams, own),
    );
  });
  await at(WITH_WEBRTC, async (site) => {
    if (!site.protocols.includes('webrtc')) return;
    const seat = await site.seat('webrtc', signal);
    await compare('players', 'webrtc', webrtc, (players) => stepOfPlayers(site, seat, players, own));
  });
  return found;

  async function at(topology: Topology, work: (site: Site) => Promise<void>): Promise<void> {
    if (signal.aborted) return;
    const site = await Site.open({ ...request, topology });
    try {
      await onUp?.(site.cluster);
      await work(site);
    } finally {
      await site.close();
    }
  }

  async function compare(
    climbs: 'players' | 'publishers',
    protocol: string,
    { few, many }: { readonly few: number; readonly many: number },
    attempt: (clients: number) => Promise<BenchStep | undefined>,
  ): Promise<void> {
    const steps: BenchStep[] = [];
    for (const clients of [few, many]) {
      context.show(`claims: one process, ${clients} ${climbs} over ${protocol}`);
      const step = await attempt(clients);
      if (step === undefined) return;
      steps.push(withWhatItServed(step, context));
    }
    const held = steps.filter(({ holds }) => holds).map(({ value }) => value);
    found.push({
      ...{ topology: ONE_NODE, engine: request.engine, climbs, protocol },
      perClient: perClientOf(steps),
      largest: held.length === 0 ? null : Math.max(...held),
      machineShare: steps.at(-1)!.machineShare,
    });
  }
}

/**
 * The CPU time of a process is that of its clients if all of them got all of the stream as it came. When it came, and whether
 * the generator was held up, is the latency's matter.
 */
function withWhatItServed(step: BenchStep, { slo }: Pick<BenchContext, 'slo'>): BenchStep {
  const { joinedShare, lossRatio, stallRatio } = step;
  return { ...step, holds: joinedShare >= slo.joined && lossRatio <= slo.loss && stallRatio <= slo.stalls };
}
