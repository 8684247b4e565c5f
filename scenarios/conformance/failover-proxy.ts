/** Origins behind a proxy, proxies behind HAProxy, and the Redis that they share: each of them goes. */
import {
  ORIGIN_ALIVE_MS,
  PLAYING_WITHIN_MS,
  REDIS_BACK_WITHIN_MS,
  REDISPATCHED_WITHIN_MS,
  RESUMED_WITHIN_MS,
  TWO_HOPS_MS,
} from '../bounds.ts';
import { type Check, type CheckContext, check, type Judgement } from '../check.ts';
import { curedAt, timelineOf } from '../failover-timeline.ts';
import { FFMPEG, OBS, VIEWER } from '../habits.ts';
import type { History } from '../history.ts';
import { judged, notSeen } from '../judging.ts';
import { boundStorm, cured, judgeFailover, judgeReturns, settled, watchFor } from './failover-judging.ts';
import { encoderAt, encoderBackMs, playersAt, viewersOf } from './failover-setting.ts';
import { missedBy, namesOf } from './masters-and-slaves.ts';

const SEED = 'SRS origin cluster with proxy (seeds/001)';
const PROXIED = ['proxy-cluster', 'proxy-redis'] as const;
const SHARED = ['proxy-redis'] as const;
const HANDSHAKE_MS = 1000;

/** Where clients come in. */
function entryOf(t: CheckContext): string {
  return t.cluster.entry('publish', 'rtmp').node;
}

// proxied-origin-killed

const ORIGIN = 'proxied-origin';
/** A proxy that cannot reach an origin picks another one at once; at the latest when its heartbeat has been missed. */
const REPICKED_MS = ORIGIN_ALIVE_MS + HANDSHAKE_MS;

const proxiedOriginKilled = check({
  id: 'failover/proxied-origin-killed',
  title:
    'When an origin behind a proxy dies, encoders come back through the proxy as ffmpeg and OBS do, to another origin',
  level: 'must',
  spec: {
    source: SEED,
    where: 'Design, Load balancer: the backend that is picked for a stream',
    says: 'A dead origin leaves the rotation, and its streams are picked anew when their encoders come back. Viewers who come back through the proxy, and players of edges behind it, see them again; streams of other origins go on.',
  },
  topologies: PROXIED,
  needs: [
    'publish.rtmp',
    'play.rtmp',
    'play.flv',
    'proxy',
    'observe.api',
    'observe.upstream',
    'control.process',
  ],
  mutants: ['proxy-never-repicks', 'edge-never-retries', 'edge-doubles-after-resume'],
  deadlineMs: 40_000,

  async run(t) {
    const entry = entryOf(t);
    const [edge] = namesOf(t, 'edge') as [string];
    const among = namesOf(t, 'origin');
    const asked = { group: ORIGIN, since: 'fault', lossless: false } as const;
    const first = await encoderAt(t, { habit: FFMPEG, entry, among, wanted: () => true });
    const second = await encoderAt(t, {
      habit: OBS,
      entry,
      among,
      wanted: (holder) => holder === first.holder,
    });
    const elsewhere = await encoderAt(t, {
      habit: FFMPEG,
      entry,
      among,
      wanted: (holder) => holder !== first.holder,
    });
    for (const [habit, { stream, label }] of [
      [FFMPEG, first],
      [OBS, second],
    ] as const) {
      const backMs = encoderBackMs(habit, REPICKED_MS);
      const why = `${habit.name} waits ${habit.waitMs(0)} ms, then ${habit.waitMs(1)} ms; an origin is dead ${ORIGIN_ALIVE_MS} ms after its heartbeat`;
      watchFor(t, { ...asked, publisher: label, client: label, part: 'publishes', boundMs: backMs, why });
      const viewers = (['rtmp', 'flv'] as const).map((protocol) => ({
        url: t.playUrl(protocol, stream),
        label: `${habit.name}-viewer-${protocol}`,
        patienceMs: backMs,
      }));
      for (const client of await viewersOf(t, viewers)) {
        const boundMs = backMs + VIEWER.waitMs(3) + PLAYING_WITHIN_MS;
        watchFor(t, {
          ...asked,
          publisher: label,
          client,
          part: 'returns',
          boundMs,
          why: `${why}; a viewer waits up to 7 s`,
        });
      }
      for (const client of await playersAt(t, stream, [edge], { prefix: `${habit.name}-` })) {
        watchFor(t, {
          ...asked,
          publisher: label,
          client,
          part: 'waits',
          boundMs: backMs + RESUMED_WITHIN_MS,
          why: `${why}; the pause of an edge is 3 s`,
        });
      }
    }
    for (const client of await playersAt(t, elsewhere.stream, [edge], { prefix: 'elsewhere-' })) {
      watchFor(t, {
        ...asked,
        publisher: elsewhere.label,
        client,
        part: 'untouched',
        boundMs: TWO_HOPS_MS,
        why: 'two merged writes',
        lossless: true,
      });
    }
    boundStorm(t, ORIGIN, 2);
    await t.control(t.cluster.nodes.get(first.holder)!, 'kill');
    await settled(t, ORIGIN);
  },

  judge: (history) => judgeFailover(history, ORIGIN),
  timeline: (history) => timelineOf(history, ORIGIN),
});

// proxy-killed

const PROXY = 'proxy';

const proxyKilled = check({
  id: 'failover/proxy-killed',
  title:
    'When a proxy dies, its clients come back through the other one, which knows where their streams are',
  level: 'must',
  spec: {
    source: SEED,
    where: 'Design: several proxies behind a load balancer share their state in a Redis',
    says: 'Proxies have no state of their own: whoever was at one that died makes a new connection, and the other proxy brings it to the same origin. Its other clients notice nothing.',
  },
  topologies: SHARED,
  needs: [
    'publish.rtmp',
    'play.rtmp',
    'play.flv',
    'proxy',
    'redis',
    'balancer',
    'observe.api',
    'observe.upstream',
    'control.process',
  ],
  mutants: ['balancer-one-proxy', 'origin-frees-on-unpublish-only'],
  deadlineMs: 40_000,

  async run(t) {
    const entry = entryOf(t);
    const asked = { group: PROXY, since: 'fault', lossless: false } as const;
    const [victim, other] = t.nodes('proxy');
    const [edge] = namesOf(t, 'edge') as [string];
    const backMs = encoderBackMs(FFMPEG, REDISPATCHED_WITHIN_MS + HANDSHAKE_MS);
    const why = `HAProxy "retries" 3 s; ffmpeg waits ${FFMPEG.waitMs(1)} ms`;
    // The balancer gives the next connection to the proxy that has fewer: each has one of two encoders.
    const streams = [t.stream('one'), t.stream('two')];
    const encoders: string[] = [];
    for (const stream of streams) {
      const { label } = await t.encode({ url: t.publishUrl(stream, entry), habit: FFMPEG });
      encoders.push(label);
      watchFor(t, { ...asked, publisher: label, client: label, part: 'publishes', boundMs: backMs, why });
    }
    for (const [i, stream] of streams.entries()) {
      const publisher = encoders[i]!;
      const requests = (['rtmp', 'flv'] as const).map((protocol) => ({
        url: t.playUrl(protocol, stream),
        label: `viewer-${protocol}`,
      }));
      for (const client of await viewersOf(t, requests)) {
        const boundMs = backMs + VIEWER.waitMs(2) + PLAYING_WITHIN_MS;
        watchFor(t, {
          ...asked,
          publisher,
          client,
          part: 'returns',
          boundMs,
          why: `${why}; a viewer waits up to 3 s`,
        });
      }
      for (const client of await playersAt(t, stream, [edge], { prefix: `${publisher}-` })) {
        const boundMs = backMs + RESUMED_WITHIN_MS;
        watchFor(t, {
          ...asked,
          publisher,
          client,
          part: 'waits',
          boundMs,
          why: `${why}; the pause of an edge is 3 s`,
        });
      }
    }
    // At the other proxy, past the balancer.
    const aside = t.stream('aside');
    const { label: publisher } = await t.publish({
      url: t.publishUrl(aside, other!.spec.name),
      label: 'aside',
    });
    for (const client of await playersAt(t, aside, [other!.spec.name], { prefix: 'aside-' })) {
      watchFor(t, {
        ...asked,
        publisher,
        client,
        part: 'untouched',
        boundMs: TWO_HOPS_MS,
        why: 'two merged writes',
        lossless: true,
      });
    }
    boundStorm(t, PROXY, streams.length);
    await t.control(victim!, 'kill');
    await settled(t, PROXY);
  },

  judge: (history) => judgeReturns(history, PROXY, ['publishes', 'returns']),
  timeline: (history) => timelineOf(history, PROXY),
});

// redis-gone

const REDIS = 'redis';
const GONE_MS = 1000;

const redisGone = check({
  id: 'failover/redis-gone',
  title:
    'Redis freezes, goes on, dies and comes back: nobody who is there notices, and whoever comes then is let in',
  level: 'must',
  spec: {
    source: SEED,
    where: 'Design: Redis keeps which backend a stream has',
    says: 'Redis is asked when a client comes. What runs needs it no more: encoders, viewers and edges keep their connections and every frame comes in time, while it is frozen and while it is away. When it is back, new clients are let in through either proxy.',
  },
  topologies: SHARED,
  needs: [
    'publish.rtmp',
    'play.rtmp',
    'play.flv',
    'proxy',
    'redis',
    'observe.api',
    'observe.upstream',
    'control.process',
  ],
  mutants: ['proxy-redis-down-ends-streams', 'proxy-redis-lost-for-good'],
  deadlineMs: 40_000,

  async run(t) {
    const stream = t.stream();
    const [redis] = t.nodes('redis');
    const [first, second] = namesOf(t, 'proxy') as [string, string];
    const asked = {
      group: REDIS,
      since: 'fault',
      lossless: true,
      part: 'untouched',
      boundMs: TWO_HOPS_MS,
      why: 'two merged writes',
    } as const;
    const encoder = await t.encode({ url: t.publishUrl(stream, first), habit: FFMPEG });
    const clients = [
      ...(await viewersOf(t, [
        { url: t.playUrl('rtmp', stream, second), label: 'viewer-rtmp' },
        { url: t.playUrl('flv', stream, first), label: 'viewer-flv' },
      ])),
      ...(await playersAt(t, stream, namesOf(t, 'edge'))),
    ];
    for (const client of [encoder.label, ...clients])
      watchFor(t, { ...asked, publisher: encoder.label, client });
    boundStorm(t, REDIS, 0);
    await t.control(redis!, 'freeze');
    await t.observe(GONE_MS, 'Redis says nothing');
    await t.control(redis!, 'thaw');
    await t.control(redis!, 'kill');
    await t.observe(GONE_MS, 'there is no Redis');
    await t.control(redis!, 'restart');
    cured(t, 'Redis is ready');
    await settled(t, REDIS);
    const late = t.stream('late');
    const newcomer = await t.publish({
      url: t.publishUrl(late, first),
      label: 'newcomer',
      retry: { everyMs: FFMPEG.waitMs(1) / 2, withinMs: REDIS_BACK_WITHIN_MS },
    });
    t.step('let-in', { publisher: newcomer.label });
    await t.play(t.playUrl('rtmp', late, second), 'follower').playing(PLAYING_WITHIN_MS);
    t.step('served');
  },

  judge: (history) => [...judgeFailover(history, REDIS), ...judgeNewcomer(history)],
  timeline: (history) => timelineOf(history, REDIS),
});

function judgeNewcomer(history: History): Judgement[] {
  const expected = `once Redis is back, an encoder at one proxy within ${REDIS_BACK_WITHIN_MS} ms, and a player of it at the other`;
  if (curedAt(history) === undefined) return [notSeen(history, expected)];
  if (history.step('served') !== undefined) return [judged(true, expected, 'both')];
  const [who, actual] =
    history.step('let-in') === undefined
      ? ['newcomer', 'the encoder is not let in']
      : ['follower', 'the player gets nothing'];
  return [missedBy(history, who, expected, actual)];
}

export const FAILOVER_PROXY: readonly Check[] = [proxiedOriginKilled, proxyKilled, redisGone];
