/** The balancer, which is there once and in front of everybody, goes: whoever came through it comes back through it. */

import type { ClusterNode } from '../../lab/cluster.ts';
import { PLAYING_WITHIN_MS, RESUMED_WITHIN_MS, RETURNED_WITHIN_MS, TWO_HOPS_MS } from '../bounds.ts';
import { type Check, type CheckContext, check } from '../check.ts';
import { timelineOf } from '../failover-timeline.ts';
import { VIEWER } from '../habits.ts';
import { boundStorm, cured, judgeReturns, settled, watchFor } from './failover-judging.ts';
import { EDGE_CLUSTER, ENCODERS, playersAt, viewersOf } from './failover-setting.ts';
import { namesOf } from './masters-and-slaves.ts';

const GROUP = 'balancer';
const DOWN_MS = 500;
const HANDSHAKE_MS = 1000;
/** Who comes to the balancer is given to each edge in turn. */
const PER_PROTOCOL = 3;

const VIEWER_RETURNS = {
  part: 'returns',
  boundMs: VIEWER.waitMs(2) + RETURNED_WITHIN_MS,
  why: `a viewer waits up to ${VIEWER.waitMs(2)} ms`,
} as const;

const UNTOUCHED = {
  part: 'untouched',
  since: 'fault',
  boundMs: TWO_HOPS_MS,
  why: 'two merged writes',
  lossless: true,
} as const;

interface Asked {
  readonly group: string;
  readonly lossless: false;
  readonly since: 'cure';
}

/** An encoder of each kind, with a stream of its own. It has failed twice, perhaps, by the time that the balancer is there. */
async function encodeThrough(t: CheckContext, front: string, asked: Asked): Promise<void> {
  for (const habit of ENCODERS) {
    const url = t.publishUrl(t.stream(habit.name.toLowerCase()), front);
    const { label } = await t.encode({ url, label: habit.name, habit });
    watchFor(t, {
      ...asked,
      publisher: label,
      client: label,
      part: 'publishes',
      boundMs: habit.waitMs(2) + HANDSHAKE_MS,
      why: `${habit.name} waits up to ${habit.waitMs(2)} ms`,
    });
  }
}

async function dieAndReturn(t: CheckContext, balancer: ClusterNode, group: string): Promise<void> {
  await t.control(balancer, 'kill');
  await t.observe(DOWN_MS, 'there is no balancer');
  await t.control(balancer, 'restart');
  cured(t, `${balancer.spec.name} is ready`);
  await settled(t, group);
}

const balancerRestarted = check({
  id: 'failover/balancer-restarted',
  title:
    'When HAProxy dies and is started again, viewers and encoders, ffmpeg and OBS, come back through it, and nobody else notices',
  level: 'must',
  spec: {
    source: 'Edge cluster on Kubernetes (seeds/000)',
    where: 'step 6, the load balancer in front of the edges',
    says: 'The balancer has no state that is missed. What went through it ends with it, also at the edges and the origin, so that a stream is free when its encoder comes back. Who is at an edge itself notices nothing.',
  },
  topologies: EDGE_CLUSTER,
  needs: ['publish.rtmp', 'play.rtmp', 'play.flv', 'balancer', 'observe.upstream', 'control.process'],
  mutants: ['origin-frees-on-unpublish-only', 'media-drops-frames'],
  deadlineMs: 30_000,

  async run(t) {
    const [balancer] = t.nodes('balancer');
    const front = balancer!.spec.name;
    const stream = t.stream();
    const { label: publisher } = await t.publish({ url: t.publishUrl(stream) });
    const asked = { group: GROUP, lossless: false, since: 'cure' } as const;
    await encodeThrough(t, front, asked);
    const requests = Array.from({ length: PER_PROTOCOL }, () => ['rtmp', 'flv'] as const)
      .flat()
      .map((protocol) => ({ url: t.playUrl(protocol, stream, front), label: `viewer-${protocol}` }));
    const [viewers, bystanders] = await Promise.all([
      viewersOf(t, requests),
      playersAt(t, stream, namesOf(t, 'edge'), { withinMs: 2 * PLAYING_WITHIN_MS }),
    ]);
    for (const client of viewers) watchFor(t, { ...asked, ...VIEWER_RETURNS, publisher, client });
    for (const client of [publisher, ...bystanders])
      watchFor(t, { ...asked, ...UNTOUCHED, publisher, client });
    boundStorm(t, GROUP, ENCODERS.length);
    await dieAndReturn(t, balancer!, GROUP);
  },

  judge: (history) => judgeReturns(history, GROUP, ['publishes', 'returns']),
  timeline: (history) => timelineOf(history, GROUP),
});

const PROXIES = 'balancer-of-proxies';

const proxyBalancerRestarted = check({
  id: 'failover/proxy-balancer-restarted',
  title:
    'When HAProxy in front of proxies dies and is started again, clients, and edges, come back through it, and who is at a proxy itself notices nothing',
  level: 'must',
  spec: {
    source: 'SRS origin cluster with proxy (seeds/001)',
    where: 'Design: several proxies behind a load balancer share their state in a Redis',
    says: 'What went through the balancer ends with it, also at the proxies and the origins, so that a stream is free when its encoder comes back. Origins, which tell through it that they live, are not dead so soon: their streams go on for whoever is at a proxy itself.',
  },
  topologies: ['proxy-redis'],
  needs: [
    'publish.rtmp',
    'play.rtmp',
    'play.flv',
    'proxy',
    'balancer',
    'observe.upstream',
    'control.process',
  ],
  mutants: ['proxy-keeps-backend', 'origin-frees-on-unpublish-only', 'edge-never-retries'],
  deadlineMs: 40_000,

  async run(t) {
    const [balancer] = t.nodes('balancer');
    const front = balancer!.spec.name;
    const proxies = namesOf(t, 'proxy');
    const stream = t.stream();
    const { label: publisher } = await t.publish({ url: t.publishUrl(stream, proxies[0]) });
    const asked = { group: PROXIES, lossless: false, since: 'cure' } as const;
    await encodeThrough(t, front, asked);
    const requests = (['rtmp', 'flv'] as const).map((protocol) => ({
      url: t.playUrl(protocol, stream, front),
      label: `viewer-${protocol}`,
    }));
    const viewers = await viewersOf(t, requests);
    const waiting = await playersAt(t, stream, namesOf(t, 'edge'));
    const bystanders = await playersAt(t, stream, proxies);
    for (const client of viewers) watchFor(t, { ...asked, ...VIEWER_RETURNS, publisher, client });
    for (const client of waiting) {
      watchFor(t, {
        ...asked,
        publisher,
        client,
        part: 'waits',
        boundMs: RESUMED_WITHIN_MS,
        why: 'the pause of an edge is 3 s',
      });
    }
    for (const client of [publisher, ...bystanders])
      watchFor(t, { ...asked, ...UNTOUCHED, publisher, client });
    boundStorm(t, PROXIES, 1);
    await dieAndReturn(t, balancer!, PROXIES);
  },

  judge: (history) => judgeReturns(history, PROXIES, ['publishes', 'returns']),
  timeline: (history) => timelineOf(history, PROXIES),
});

export const FAILOVER_BALANCER: readonly Check[] = [balancerRestarted, proxyBalancerRestarted];
