/** The balancer, which is there once and in front of everybody, goes: whoever came through it comes back through it. */

import {
  ABSENT_ORIGIN_MS,
  FORWARD_RESUMED_WITHIN_MS,
  PLAYING_WITHIN_MS,
  PULL_RETRY_MS,
  RESUMED_WITHIN_MS,
  RETURNED_WITHIN_MS,
} from '../bounds.ts';
import { type Check, type CheckContext, check } from '../check.ts';
import { timelineOf } from '../failover-timeline.ts';
import { type Habit, VIEWER } from '../habits.ts';
import {
  encoderReturnMs,
  encodersThrough,
  FORWARDED,
  watchEncoder,
  watchUntouched,
} from './failover-asked.ts';
import { dieAndReturn } from './failover-faults.ts';
import { boundStorm, judgeReturns, watchFor } from './failover-judging.ts';
import { EDGE_CLUSTER, ENCODERS, encoderAt, playersAt, viewersOf } from './failover-setting.ts';
import { FORWARD_CLUSTER, SEED as FORWARD_SEED, namesOf } from './masters-and-slaves.ts';

const GROUP = 'balancer';
const DOWN = { forMs: 500, why: 'there is no balancer' } as const;
/** Who comes to the balancer is given to each edge in turn. */
const PER_PROTOCOL = 3;

const VIEWER_RETURNS = {
  part: 'returns',
  boundMs: VIEWER.waitMs(2) + RETURNED_WITHIN_MS,
  why: `a viewer waits up to ${VIEWER.waitMs(2)} ms`,
} as const;

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
    await encodersThrough(t, front, GROUP);
    const requests = Array.from({ length: PER_PROTOCOL }, () => ['rtmp', 'flv'] as const)
      .flat()
      .map((protocol) => ({ url: t.playUrl(protocol, stream, front), label: `viewer-${protocol}` }));
    const [viewers, bystanders] = await Promise.all([
      viewersOf(t, requests),
      playersAt(t, stream, namesOf(t, 'edge'), { withinMs: 2 * PLAYING_WITHIN_MS }),
    ]);
    for (const client of viewers) watchFor(t, { ...asked, ...VIEWER_RETURNS, publisher, client });
    watchUntouched(t, { group: GROUP, publisher }, [publisher, ...bystanders]);
    boundStorm(t, GROUP, ENCODERS.length);
    await dieAndReturn(t, [balancer!], { group: GROUP, ...DOWN });
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
    await encodersThrough(t, front, PROXIES);
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
    watchUntouched(t, { group: PROXIES, publisher }, [publisher, ...bystanders]);
    boundStorm(t, PROXIES, 1);
    await dieAndReturn(t, [balancer!], { group: PROXIES, ...DOWN });
  },

  judge: (history) => judgeReturns(history, PROXIES, ['publishes', 'returns']),
  timeline: (history) => timelineOf(history, PROXIES),
});

const MASTERS = 'balancer-of-masters';

const masterBalancerRestarted = check({
  id: 'failover/master-balancer-restarted',
  title:
    'When HAProxy in front of masters dies and is started again, encoders, ffmpeg and OBS, come back through it, and no player is sent away',
  level: 'must',
  spec: {
    source: FORWARD_SEED,
    where: 'haproxy.cfg; edge.conf: origin, all masters and slaves',
    says: 'The balancer has no state that is missed. A publication ends with it, at the master and at the slaves, so that the stream is free when its encoder comes back, at either master. Players pass no HAProxy: they stay, and wait for the stream; those of a publisher who is at a master itself notice nothing.',
  },
  topologies: FORWARD_CLUSTER,
  needs: [
    'publish.rtmp',
    'play.rtmp',
    'play.flv',
    'balancer',
    'forward',
    'observe.api',
    'observe.upstream',
    'control.process',
  ],
  mutants: ['origin-frees-on-unpublish-only', 'edge-never-retries', 'edge-closes-players-with-origin'],
  deadlineMs: 40_000,

  async run(t) {
    const [balancer] = t.nodes('balancer');
    const [first, second] = namesOf(t, 'master') as [string, string];
    const [slave, otherSlave] = namesOf(t, 'slave') as [string, string];
    const [edge, otherEdge] = namesOf(t, 'edge') as [string, string];
    const aside = t.stream('aside');
    const { label: publisher } = await t.publish({ url: t.publishUrl(aside, first), label: 'aside' });
    const bystanders = await playersAt(t, aside, [otherSlave, otherEdge], { prefix: 'aside-' });
    for (const habit of ENCODERS) {
      const { stream, label } = await encoderAt(t, {
        habit,
        entry: balancer!.spec.name,
        among: [first, second],
        wanted: (holder) => holder === first,
      });
      watchEncoder(t, MASTERS, habit, label);
      await watchWaiting(t, { habit, publisher: label, stream, slave, edge });
    }
    watchUntouched(t, { group: MASTERS, publisher }, [publisher, ...bystanders], FORWARDED);
    boundStorm(t, MASTERS, ENCODERS.length);
    await dieAndReturn(t, [balancer!], { group: MASTERS, ...DOWN });
  },

  judge: (history) => judgeReturns(history, MASTERS, ['publishes']),
  timeline: (history) => timelineOf(history, MASTERS),
});

interface Waiting {
  readonly habit: Habit;
  readonly publisher: string;
  readonly stream: string;
  readonly slave: string;
  readonly edge: string;
}

/** Players of an encoder's stream, at a slave and at an edge. HTTP-FLV players of a slave lose their connection with the stream (facts/srs.md 7.3). */
async function watchWaiting(
  t: CheckContext,
  { habit, publisher, stream, slave, edge }: Waiting,
): Promise<void> {
  const asked = { group: MASTERS, publisher, lossless: false, since: 'cure' } as const;
  const prefix = `${habit.name}-`;
  const back = `${habit.name} waits up to ${habit.waitMs(2)} ms`;
  for (const client of await playersAt(t, stream, [slave], { prefix, protocols: ['rtmp'] })) {
    watchFor(t, {
      ...asked,
      client,
      part: 'waits',
      boundMs: encoderReturnMs(habit) + FORWARD_RESUMED_WITHIN_MS,
      why: `${back}, the forward is tried again after 3 s`,
    });
  }
  for (const client of await playersAt(t, stream, [edge], { prefix })) {
    watchFor(t, {
      ...asked,
      client,
      part: 'waits',
      boundMs: PULL_RETRY_MS + ABSENT_ORIGIN_MS + PLAYING_WITHIN_MS,
      why: 'the pause of an edge is 3 s, the other master may have nothing for 5 s, then a slave',
    });
  }
}

export const FAILOVER_BALANCER: readonly Check[] = [
  balancerRestarted,
  proxyBalancerRestarted,
  masterBalancerRestarted,
];
