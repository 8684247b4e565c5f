/** Hosts with several edge processes: one of them dies behind its Nginx, and the local origin that others pull from. */
import type { NodeSpec } from '../../lab/topology.ts';
import { PLAYING_WITHIN_MS, RESUMED_WITHIN_MS, RETURNED_WITHIN_MS, TWO_HOPS_MS } from '../bounds.ts';
import { type Check, check } from '../check.ts';
import { timelineOf } from '../failover-timeline.ts';
import { FFMPEG, VIEWER } from '../habits.ts';
import { boundStorm, cured, judgeReturns, settled, watchFor } from './failover-judging.ts';
import { playersAt, viewersOf } from './failover-setting.ts';
import { namesOf } from './masters-and-slaves.ts';

const GROUP = 'hosts';
const DOWN_MS = 500;
/** Nginx gives the next connection to the process that has fewest: of so many per protocol each has two. */
const PER_PROTOCOL = 6;

const hostProcessKilled = check({
  id: 'failover/host-process-killed',
  title:
    'When an edge process of a host dies its viewers come back at another one; when the local origin dies its edges wait for it',
  level: 'must',
  spec: {
    source: 'Coworker cluster (seeds/002)',
    where: '问题:重复回源; 解决方案:本地源站',
    says: 'Nginx in front of several processes brings who has lost one of them to another. A local origin is one process for the whole host: its edges keep their players while it is away, and pull from it again when it is back. The other host, origins and encoder notice nothing.',
  },
  topologies: ['local-origin'],
  needs: ['publish.rtmp', 'play.rtmp', 'play.flv', 'observe.upstream', 'control.process'],
  mutants: [
    'front-stays-with-edge',
    'edge-never-retries',
    'edge-closes-players-with-origin',
    'edge-doubles-after-resume',
  ],
  deadlineMs: 30_000,

  async run(t) {
    const [origin] = namesOf(t, 'origin') as [string];
    const [own, shared] = t.nodes('web').map(({ spec }) => spec) as [NodeSpec, NodeSpec];
    const [dying] = own.upstreams as [string];
    const local = t.cluster.nodes.get(shared.upstreams[0]!)!.spec.upstreams[0]!;
    const stream = t.stream();
    const { label: publisher } = await t.encode({ url: t.publishUrl(stream, origin), habit: FFMPEG });
    const asked = { group: GROUP, publisher, lossless: false } as const;
    const requests = Array.from({ length: PER_PROTOCOL }, () => ['rtmp', 'flv'] as const)
      .flat()
      .map((protocol) => ({ url: t.playUrl(protocol, stream, own.name), label: `viewer-${protocol}` }));
    const [returning, waiting, untouched] = await Promise.all([
      viewersOf(t, requests),
      playersAt(t, stream, [...shared.upstreams, shared.name], { withinMs: 2 * PLAYING_WITHIN_MS }),
      playersAt(t, stream, [origin]),
    ]);
    for (const client of returning) {
      watchFor(t, {
        ...asked,
        client,
        part: 'returns',
        since: 'fault',
        boundMs: VIEWER.waitMs(1) + RETURNED_WITHIN_MS,
        why: 'it connects at once, or after a second; Nginx tries the next process',
      });
    }
    for (const client of waiting) {
      watchFor(t, {
        ...asked,
        client,
        part: 'waits',
        since: 'cure',
        boundMs: RESUMED_WITHIN_MS,
        why: 'the pause of an edge is 3 s, facts/srs.md 1.4',
      });
    }
    for (const client of [publisher, ...untouched]) {
      watchFor(t, {
        ...asked,
        client,
        part: 'untouched',
        since: 'fault',
        boundMs: TWO_HOPS_MS,
        why: 'two merged writes',
        lossless: true,
      });
    }
    boundStorm(t, GROUP, 1);
    const localNode = t.cluster.nodes.get(local)!;
    await Promise.all([t.control(t.cluster.nodes.get(dying)!, 'kill'), t.control(localNode, 'kill')]);
    await t.observe(DOWN_MS, 'a host without its local origin');
    await t.control(localNode, 'restart');
    cured(t, `${local} is ready`);
    await settled(t, GROUP);
  },

  judge: (history) => judgeReturns(history, GROUP, ['returns']),
  timeline: (history) => timelineOf(history, GROUP),
});

export const FAILOVER_HOST: readonly Check[] = [hostProcessKilled];
