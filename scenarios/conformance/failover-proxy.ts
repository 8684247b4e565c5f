/** Origins behind a proxy and proxies behind HAProxy die and freeze, and the Redis that they share goes. */
import type { ClusterNode } from '../../lab/cluster.ts';
import {
  ORIGIN_ALIVE_MS,
  ORIGIN_HEARTBEAT_MS,
  PLAYING_WITHIN_MS,
  PUBLISHER_FIRST_LOOK_MS,
  PUBLISHER_LOOK_MS,
  PULL_RETRY_MS,
  PULL_SILENCE_MS,
  REDIS_BACK_WITHIN_MS,
  REDISPATCHED_WITHIN_MS,
  RESUMED_WITHIN_MS,
} from '../bounds.ts';
import { type Check, type CheckContext, check, type Judgement } from '../check.ts';
import { curedAt } from '../failover-steps.ts';
import { timelineOf } from '../failover-timeline.ts';
import { FFMPEG, type Habit, OBS, VIEWER } from '../habits.ts';
import type { History } from '../history.ts';
import { judged, notSeen } from '../judging.ts';
import { GOP_FRAMES } from '../stage.ts';
import { judgeGone, judgeHeld, judgeLetGo } from '../wire/presence.ts';
import { watchHeld, watchNewcomer, watchSender, watchUntouched } from './failover-asked.ts';
import { dieAndReturn, standStill, standStillAndGoOn, strike } from './failover-faults.ts';
import { boundStorm, judgeFailover, judgeReturns, settled, watchFor } from './failover-judging.ts';
import {
  ENCODERS,
  encoderAt,
  encoderBackMs,
  HANDSHAKE_MS,
  playersAt,
  viewersOf,
} from './failover-setting.ts';
import { framesFrom, missedBy, namesOf } from './masters-and-slaves.ts';

const SEED = 'SRS origin cluster with proxy (seeds/001)';
const PROXIED = ['proxy-cluster', 'proxy-redis'] as const;
const SHARED = ['proxy-redis'] as const;
const LIVE = ['rtmp', 'flv'] as const;

/** Where clients come in. */
function entryOf(t: CheckContext): string {
  return t.cluster.entry('publish', 'rtmp').node;
}

// proxied-origin-killed, proxied-origin-frozen

const ORIGIN = 'proxied-origin';
const ORIGIN_NEEDS = [
  'publish.rtmp',
  'play.rtmp',
  'play.flv',
  'proxy',
  'observe.api',
  'observe.upstream',
  'control.process',
] as const;

/** What a fault of an origin is to the clients of its proxy. */
interface OriginFault {
  /** `cut`: no proxy reaches it any more; its heartbeat goes on. */
  readonly action: 'kill' | 'freeze' | 'cut';
  /** From the fault until the proxy gives the next attempt of an encoder to another origin. */
  readonly noticedMs: number;
  readonly noticed: string;
}

const DEAD: OriginFault = {
  action: 'kill',
  // A proxy that cannot reach an origin picks another one at once; at the latest when its heartbeat has been missed.
  noticedMs: ORIGIN_ALIVE_MS,
  noticed: `an origin is dead ${ORIGIN_ALIVE_MS} ms after its heartbeat`,
};

const APART: OriginFault = {
  action: 'cut',
  // A publisher whose origin cannot be reached is given another one at once.
  noticedMs: 0,
  noticed: 'the proxy asks the next origin',
};

const HUNG: OriginFault = {
  action: 'freeze',
  // Nothing else tells of it: its connections are what they were.
  noticedMs: 2 * ORIGIN_ALIVE_MS,
  noticed: `a proxy looks every ${ORIGIN_ALIVE_MS / 2} ms who is dead ${ORIGIN_ALIVE_MS} ms after its heartbeat, and looks twice`,
};

/** Encoders of both habits at one origin, which goes, and one elsewhere; resolves when everybody has its stream again. */
async function loseOrigin(
  t: CheckContext,
  { action, noticedMs, noticed }: OriginFault,
): Promise<ClusterNode> {
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
    const backMs = encoderBackMs(habit, noticedMs + HANDSHAKE_MS);
    const why = `${habit.name} waits ${habit.waitMs(0)} ms, then ${habit.waitMs(1)} ms; ${noticed}`;
    watchFor(t, { ...asked, publisher: label, client: label, part: 'publishes', boundMs: backMs, why });
    const viewers = LIVE.map((protocol) => ({
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
  const untouched = await playersAt(t, elsewhere.stream, [edge], { prefix: 'elsewhere-' });
  watchUntouched(t, { group: ORIGIN, publisher: elsewhere.label }, untouched);
  boundStorm(t, ORIGIN, 2);
  const victim = t.cluster.nodes.get(first.holder)!;
  if (action === 'cut') for (const from of waysTo(t, first.holder)) t.link(from, first.holder, 'cut');
  else await strike(t, victim, action);
  await settled(t, ORIGIN);
  return victim;
}

/** Whose links to an origin there are: of several proxies that the origin gives one address they are one. */
function waysTo(t: CheckContext, origin: string): Set<string> {
  return new Set(t.cluster.taps.filter(({ to }) => to === origin).map(({ from }) => from));
}

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
  needs: ORIGIN_NEEDS,
  mutants: ['proxy-never-repicks', 'edge-never-retries', 'edge-doubles-after-resume'],
  deadlineMs: 40_000,
  async run(t) {
    await loseOrigin(t, DEAD);
  },
  judge: (history) => [...judgeFailover(history, ORIGIN), ...judgeGone(history)],
  timeline: (history) => timelineOf(history, ORIGIN),
});

/** What an origin that goes on still has is there at once, and its heartbeat. */
const THAWED_MS = 2 * ORIGIN_HEARTBEAT_MS;

const proxiedOriginFrozen = check({
  id: 'failover/proxied-origin-frozen',
  title:
    'When an origin behind a proxy freezes, the proxy ends what is served by it, and all of it is at another origin soon',
  level: 'must',
  spec: {
    source: SEED,
    where: 'Register: the heartbeat of an origin; Design, Load balancer',
    says: 'A frozen origin keeps its connections and says nothing: encoders would send into the void for ever. Its heartbeat is missed, so it is dead; whoever is served by it is sent away, comes back and gets another origin. When it goes on, everybody stays where they are.',
  },
  topologies: PROXIED,
  needs: ORIGIN_NEEDS,
  mutants: ['proxy-keeps-frozen-origins', 'proxy-never-repicks', 'edge-never-retries'],
  deadlineMs: 40_000,
  async run(t) {
    const victim = await loseOrigin(t, HUNG);
    await t.control(victim, 'thaw');
    await t.observe(THAWED_MS, 'an origin that goes on where it stood still');
  },
  judge: (history) => [...judgeFailover(history, ORIGIN), ...judgeHeld(history), ...judgeLetGo(history)],
  timeline: (history) => timelineOf(history, ORIGIN),
});

const proxiedOriginCutOff = check({
  id: 'failover/proxied-origin-cut-off',
  title:
    'When no proxy reaches an origin that lives, its streams are at another one as soon as encoders come back',
  level: 'must',
  spec: {
    source: SEED,
    where: 'Register: the heartbeat of an origin; Design, Load balancer',
    says: 'The link breaks, and what went over it ends; the heartbeat, which goes the other way, says that the origin lives. An encoder that cannot be brought there is brought to another origin, and its viewers and edges follow.',
  },
  topologies: PROXIED,
  needs: ORIGIN_NEEDS.filter((capability) => capability !== 'control.process'),
  mutants: ['proxy-never-repicks', 'edge-never-retries', 'edge-doubles-after-resume'],
  disrupts: 'cuts links',
  deadlineMs: 40_000,
  async run(t) {
    await loseOrigin(t, APART);
  },
  judge: (history) => judgeFailover(history, ORIGIN),
  timeline: (history) => timelineOf(history, ORIGIN),
});

// proxy-restarted

const ALONE = 'only-proxy';
const AWAY_MS = 500;
/** Origins tell it that they live; then a handshake. */
const KNOWS_ORIGINS_MS = 2 * ORIGIN_HEARTBEAT_MS + HANDSHAKE_MS;

const proxyRestarted = check({
  id: 'failover/proxy-restarted',
  title:
    'When the only proxy dies and comes back, it knows nothing, and everybody is served again once origins have told it',
  level: 'must',
  spec: {
    source: SEED,
    where: 'Design: a single proxy has its state in memory; Register: origins tell again and again',
    says: 'Everything that went through the proxy ends with it. Streams are picked anew when their encoders come back, and each of them is at one origin: viewers and edges get the frames that are published now, and each once.',
  },
  topologies: ['proxy-cluster'],
  needs: ORIGIN_NEEDS,
  mutants: ['edge-never-retries', 'edge-doubles-after-resume'],
  deadlineMs: 40_000,
  async run(t) {
    const [proxy] = t.nodes('proxy');
    const asked = { group: ALONE, since: 'cure', lossless: false } as const;
    for (const habit of ENCODERS) {
      const stream = t.stream(habit.name.toLowerCase());
      const { label } = await t.encode({ url: t.publishUrl(stream), label: habit.name, habit });
      // It has failed twice, perhaps, by the time that the proxy is there.
      const backMs = habit.waitMs(2) + KNOWS_ORIGINS_MS;
      const why = `${habit.name} waits up to ${habit.waitMs(2)} ms, origins tell every ${ORIGIN_HEARTBEAT_MS} ms`;
      watchFor(t, { ...asked, publisher: label, client: label, part: 'publishes', boundMs: backMs, why });
      const requests = LIVE.map((protocol) => ({
        url: t.playUrl(protocol, stream),
        label: `${habit.name}-viewer-${protocol}`,
        habit: FFMPEG,
        patienceMs: backMs,
      }));
      for (const client of await viewersOf(t, requests)) {
        const boundMs = backMs + FFMPEG.waitMs(1) + PLAYING_WITHIN_MS;
        watchFor(t, {
          ...asked,
          publisher: label,
          client,
          part: 'returns',
          boundMs,
          why: `${why}; it tries every second`,
        });
      }
      for (const client of await playersAt(t, stream, namesOf(t, 'edge'), { prefix: `${habit.name}-` })) {
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
    boundStorm(t, ALONE, ENCODERS.length);
    await dieAndReturn(t, [proxy!], { group: ALONE, forMs: AWAY_MS, why: 'there is no proxy' });
  },
  judge: (history) => judgeFailover(history, ALONE),
  timeline: (history) => timelineOf(history, ALONE),
});

// proxy-stalled

const STALLED = 'stalled-proxy';
/** Longer than the life of an origin: its heartbeats are heard when the proxy goes on. */
const STALL_MS = ORIGIN_ALIVE_MS + 1000;

const proxyStalled = check({
  id: 'failover/proxy-stalled',
  title:
    'When the only proxy freezes and goes on, everybody has stayed and gets every frame once, and who came meanwhile is let in',
  level: 'must',
  spec: {
    source: SEED,
    where: 'Design: one connection of a client is one connection to an origin; Register: the heartbeat',
    says: 'Nobody else can take over, and nothing is broken: what is sent waits in the buffers of the system and passes when the proxy goes on. That it heard no heartbeat meanwhile was its own doing: origins are not dead by it.',
  },
  topologies: ['proxy-cluster'],
  needs: ORIGIN_NEEDS,
  mutants: ['proxy-dead-at-first-miss', 'proxy-counts-standstill', 'media-drops-frames'],
  deadlineMs: 30_000,
  async run(t) {
    const [proxy] = t.nodes('proxy');
    const stream = t.stream();
    const { label: publisher } = await t.encode({ url: t.publishUrl(stream), habit: FFMPEG });
    const asked = { group: STALLED, publisher } as const;
    const entry = entryOf(t);
    watchHeld(t, asked, await playersAt(t, stream, [entry, ...namesOf(t, 'edge')]));
    watchSender(t, asked);
    boundStorm(t, STALLED, 0);
    await standStillAndGoOn(t, [proxy!], {
      group: STALLED,
      forMs: STALL_MS,
      why: 'the proxy says nothing',
      // RTMP asks in turns; what HTTP asks for waits whole, before the heartbeats.
      meanwhile: () => {
        for (const protocol of LIVE) watchNewcomer(t, asked, t.playUrl(protocol, stream, entry));
      },
    });
    await t.observe(ORIGIN_ALIVE_MS, 'the proxy looks who is dead');
  },
  judge: (history) => judgeFailover(history, STALLED),
  timeline: (history) => timelineOf(history, STALLED),
});

// proxy-killed, proxy-frozen

const PROXY = 'proxy';
const PROXY_NEEDS = [...ORIGIN_NEEDS, 'redis', 'balancer'] as const;

/** What a fault of a proxy is to its encoders. */
interface ProxyFault {
  readonly action: 'kill' | 'freeze';
  /** From the fault until an attempt of an encoder is let in through the other proxy. */
  noticedMs(t: CheckContext): number;
  readonly noticed: string;
  readonly habits: readonly Habit[];
}

const PROXY_DEAD: ProxyFault = {
  action: 'kill',
  noticedMs: () => REDISPATCHED_WITHIN_MS,
  noticed: 'HAProxy "retries" 3 s',
  habits: ENCODERS,
};

const PROXY_HUNG: ProxyFault = {
  action: 'freeze',
  // The origin has the connection of the frozen proxy, and so a publisher, until it gives that one up.
  noticedMs: ({ cluster }) => (cluster.patience?.publishFirst ?? PUBLISHER_FIRST_LOOK_MS) + PUBLISHER_LOOK_MS,
  noticed: 'an origin gives up a publisher that was silent from one look to the next',
  // Refused for so long, OBS would wait for longer and longer.
  habits: [FFMPEG],
};

/** Encoders, viewers and an edge at both proxies, one of which goes; resolves when everybody is served again. */
async function loseProxy(t: CheckContext, fault: ProxyFault): Promise<ClusterNode> {
  const entry = entryOf(t);
  const asked = { group: PROXY, since: 'fault', lossless: false } as const;
  const noticedMs = fault.noticedMs(t);
  const { noticed } = fault;
  // An edge that finds a publication which is silent, but not over, gets its cached GOP once more with every pull.
  const pulls = Math.ceil(noticedMs / (PULL_SILENCE_MS + PULL_RETRY_MS));
  const again = fault.action === 'freeze' ? pulls * GOP_FRAMES : 0;
  const [victim, other] = t.nodes('proxy');
  const [edge] = namesOf(t, 'edge') as [string];
  const published: { stream: string; publisher: string; backMs: number; why: string }[] = [];
  // The balancer gives the next connection to the proxy that has fewer: of two encoders of a kind each has one.
  for (const habit of fault.habits.flatMap((one) => [one, one])) {
    const stream = t.stream(habit.name.toLowerCase());
    const { label } = await t.encode({ url: t.publishUrl(stream, entry), label: habit.name, habit });
    const backMs = encoderBackMs(habit, noticedMs + HANDSHAKE_MS);
    const why = `${noticed}; ${habit.name} waits ${habit.waitMs(0)} ms, then ${habit.waitMs(1)} ms`;
    published.push({ stream, publisher: label, backMs, why });
    watchFor(t, { ...asked, publisher: label, client: label, part: 'publishes', boundMs: backMs, why });
  }
  for (const { stream, publisher, backMs, why } of published) {
    const requests = LIVE.map((protocol) => ({
      url: t.playUrl(protocol, stream),
      label: `viewer-${protocol}`,
      patienceMs: backMs,
    }));
    for (const client of await viewersOf(t, requests)) {
      const boundMs = backMs + VIEWER.waitMs(3) + PLAYING_WITHIN_MS;
      watchFor(t, {
        ...asked,
        publisher,
        client,
        part: 'returns',
        boundMs,
        why: `${why}; a viewer waits up to 7 s`,
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
        again,
      });
    }
  }
  // At the other proxy, past the balancer.
  const aside = t.stream('aside');
  const { label: publisher } = await t.publish({
    url: t.publishUrl(aside, other!.spec.name),
    label: 'aside',
  });
  const untouched = await playersAt(t, aside, [other!.spec.name], { prefix: 'aside-' });
  watchUntouched(t, { group: PROXY, publisher }, untouched);
  boundStorm(t, PROXY, published.length);
  await strike(t, victim!, fault.action);
  await settled(t, PROXY);
  return victim!;
}

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
  needs: PROXY_NEEDS,
  mutants: ['balancer-one-proxy', 'origin-frees-on-unpublish-only'],
  deadlineMs: 40_000,
  async run(t) {
    await loseProxy(t, PROXY_DEAD);
  },
  judge: (history) => [...judgeReturns(history, PROXY, ['publishes', 'returns']), ...judgeGone(history)],
  timeline: (history) => timelineOf(history, PROXY),
});

const proxyFrozen = check({
  id: 'failover/proxy-frozen',
  title: 'When a proxy freezes, HAProxy sends its clients to the other one, and nothing of it comes later',
  level: 'must',
  spec: {
    source: SEED,
    where:
      'Design: several proxies behind a load balancer; HAProxy 2.6 Configuration Manual, "on-marked-down"',
    says: 'A frozen proxy keeps its connections and says nothing. The balancer finds it down and ends its sessions; viewers come back at once, encoders as soon as the origin has given up what the frozen proxy holds. When it goes on, what it still had reaches nobody.',
  },
  topologies: SHARED,
  needs: PROXY_NEEDS,
  mutants: ['balancer-keeps-sessions', 'balancer-one-proxy'],
  deadlineMs: 60_000,
  async run(t) {
    const victim = await loseProxy(t, PROXY_HUNG);
    await t.control(victim, 'thaw');
    await t.observe(THAWED_MS, 'a proxy that goes on where it stood still');
  },
  judge: (history) => [
    ...judgeReturns(history, PROXY, ['publishes', 'returns']),
    ...judgeHeld(history),
    ...judgeLetGo(history),
  ],
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
    const encoder = await t.encode({ url: t.publishUrl(stream, first), habit: FFMPEG });
    const clients = [
      ...(await viewersOf(t, [
        { url: t.playUrl('rtmp', stream, second), label: 'viewer-rtmp' },
        { url: t.playUrl('flv', stream, first), label: 'viewer-flv' },
      ])),
      ...(await playersAt(t, stream, namesOf(t, 'edge'))),
    ];
    watchUntouched(t, { group: REDIS, publisher: encoder.label }, [encoder.label, ...clients]);
    boundStorm(t, REDIS, 0);
    await standStill(t, [redis!], { forMs: GONE_MS, why: 'Redis says nothing' });
    await dieAndReturn(t, [redis!], { group: REDIS, forMs: GONE_MS, why: 'there is no Redis' });
    const late = t.stream('late');
    const newcomer = await t.publish({
      url: t.publishUrl(late, first),
      label: 'newcomer',
      retry: { everyMs: FFMPEG.waitMs(1) / 2, withinMs: REDIS_BACK_WITHIN_MS },
    });
    t.step('let-in', { publisher: newcomer.label });
    // The other proxy finds Redis again in its own time, which counts from when Redis was back.
    const leftMs = Math.max(0, curedAt(t.history)! + REDIS_BACK_WITHIN_MS - t.history.events.at(-1)!.t);
    const follower = { url: t.playUrl('rtmp', late, second), label: 'follower', habit: FFMPEG };
    await viewersOf(t, [follower], leftMs + FFMPEG.waitMs(1) + PLAYING_WITHIN_MS);
  },

  judge: (history) => [
    ...judgeFailover(history, REDIS),
    ...judgeHeld(history),
    ...judgeGone(history),
    ...judgeNewcomer(history),
  ],
  timeline: (history) => timelineOf(history, REDIS),
});

function judgeNewcomer(history: History): Judgement[] {
  const expected = `once Redis is back, an encoder at one proxy within ${REDIS_BACK_WITHIN_MS} ms, and a player of it at the other`;
  if (curedAt(history) === undefined) return [notSeen(history, expected)];
  const letIn = history.step('let-in');
  const played = framesFrom(history, 'follower', String(letIn?.publisher)).length;
  if (played > 0) return [judged(true, expected, 'both')];
  const [who, actual] =
    letIn === undefined ? ['newcomer', 'the encoder is not let in'] : ['follower', 'the player gets nothing'];
  return [missedBy(history, who, expected, actual)];
}

export const FAILOVER_PROXY: readonly Check[] = [
  proxiedOriginKilled,
  proxiedOriginFrozen,
  proxiedOriginCutOff,
  proxyRestarted,
  proxyStalled,
  proxyKilled,
  proxyFrozen,
  redisGone,
];
