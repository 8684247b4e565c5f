/** The link of an edge to its origin, or to the proxy in front of its origins, goes: broken off, or without a word. */
import type { ClusterNode } from '../../lab/cluster.ts';
import { PULL_RETRY_MS, PULL_SILENCE_MS, RESUMED_AFTER_SILENCE_MS, RESUMED_WITHIN_MS } from '../bounds.ts';
import { type Check, check } from '../check.ts';
import type { Watched } from '../failover-steps.ts';
import { timelineOf } from '../failover-timeline.ts';
import { watchUntouched } from './failover-asked.ts';
import { boundStorm, judgeFailover, settled, watchFor } from './failover-judging.ts';
import { playersAt } from './failover-setting.ts';

const GROUP = 'links';
/** Shorter than the pause of an edge: its first attempt finds the link whole again. */
const CUT_MS = 1000;
/** Until an edge has given up, and before it tries again: its first attempt finds the link whole again. */
const SILENT_MS = PULL_SILENCE_MS + PULL_RETRY_MS / 2;

const linkCut = check({
  id: 'failover/link-cut',
  title:
    'When the link of an edge breaks or falls silent, its players stay and see the stream again; others notice nothing',
  level: 'must',
  spec: {
    source: 'SRS 7.0.18',
    where: 'app/srs_app_edge.cpp, SrsEdgeIngester::cycle',
    says: 'An edge keeps its players, gives up an origin that is silent for 5 s, waits 3 s and tries again, as long as it has players.',
  },
  topologies: ['edge-cluster', 'coworker-cluster', 'proxy-cluster'],
  needs: ['publish.rtmp', 'play.rtmp', 'play.flv', 'observe.upstream'],
  mutants: [
    'edge-never-retries',
    'edge-retries-at-once',
    'edge-closes-players-with-origin',
    'edge-doubles-after-resume',
    'edge-resumes-with-stale-gop',
  ],
  disrupts: 'cuts links',
  deadlineMs: 30_000,

  async run(t) {
    const [broken, silent, ...others] = t.nodes('edge') as [ClusterNode, ...ClusterNode[]];
    const asked = { since: 'fault', lossless: false, group: GROUP } as const;
    // A stream at each origin that an edge asks first, so that the link that goes is the one that carries it.
    const streams = new Map<string, { stream: string; publisher: string }>();
    for (const { spec } of [broken, ...(silent ? [silent] : [])]) {
      const [upstream] = spec.upstreams as [string];
      if (streams.has(upstream)) continue;
      const stream = t.stream();
      const { label: publisher } = await t.publish({ url: t.publishUrl(stream, upstream) });
      streams.set(upstream, { stream, publisher });
    }
    const watchAt = async ({ spec }: ClusterNode, bound: Pick<Watched, 'boundMs' | 'why'>) => {
      const { stream, publisher } = streams.get(spec.upstreams[0]!)!;
      for (const client of await playersAt(t, stream, [spec.name])) {
        watchFor(t, { ...asked, publisher, client, part: 'waits', ...bound });
      }
    };
    await watchAt(broken, {
      boundMs: RESUMED_WITHIN_MS,
      why: 'the pause of an edge is 3 s, facts/srs.md 1.4',
    });
    if (silent) {
      await watchAt(silent, {
        boundMs: RESUMED_AFTER_SILENCE_MS,
        why: '5 s of silence, 3 s of pause, facts/srs.md 1.4',
      });
    }
    const { stream, publisher } = streams.get(broken.spec.upstreams[0]!)!;
    const untouched = await playersAt(
      t,
      stream,
      others.map(({ spec }) => spec.name),
    );
    watchUntouched(t, { group: GROUP, publisher }, untouched);
    boundStorm(t, GROUP, 1);
    const linkOf = ({ spec }: ClusterNode) => [spec.name, spec.upstreams[0]!] as const;
    t.link(...linkOf(broken), 'cut');
    if (silent) t.link(...linkOf(silent), 'silence');
    await t.observe(CUT_MS, 'an edge without its link');
    t.link(...linkOf(broken), 'restore');
    if (silent) {
      await t.observe(SILENT_MS - CUT_MS, 'an edge that gives up a silent origin');
      t.link(...linkOf(silent), 'lift');
    }
    await settled(t, GROUP);
  },

  judge: (history) => judgeFailover(history, GROUP),
  timeline: (history) => timelineOf(history, GROUP),
});

export const FAILOVER_LINKS: readonly Check[] = [linkCut];
