/** An edge behind the balancer goes: its viewers, and encoders that publish through it, come back at another one. */
import {
  BALANCER_NOTICES_MS,
  REDISPATCHED_WITHIN_MS,
  RESUMED_WITHIN_MS,
  RETURNED_WITHIN_MS,
} from '../bounds.ts';
import { type Check, type CheckContext, check, UnreachableError } from '../check.ts';
import { timelineOf } from '../failover-timeline.ts';
import type { Habit } from '../habits.ts';
import { watchUntouched } from './failover-asked.ts';
import { boundStorm, judgeReturns, settled, watchFor } from './failover-judging.ts';
import {
  EDGE_CLUSTER,
  ENCODERS,
  encoderBackMs,
  HANDSHAKE_MS,
  PATIENT_MS,
  playersAt,
  viewersOf,
} from './failover-setting.ts';
import { holderOf, namesOf } from './masters-and-slaves.ts';

const SEED = 'Edge cluster on Kubernetes (seeds/000)';
const WHERE = 'step 6, the load balancer in front of the edges';
const GROUP = 'edge';
/** Enough for each edge to have some, also where the balancer has only just found one to be up again. */
const MOST_VIEWERS = 12;
/** Encoders until one of each habit is at the same edge: the balancer gives one to each edge in turn, or nearly so. */
const MOST_ENCODERS = 9;

const edgeKilled = check({
  id: 'failover/edge-killed',
  title:
    'When an edge dies, its viewers and encoders, ffmpeg and OBS, come back through HAProxy, and others notice nothing',
  level: 'must',
  spec: {
    source: SEED,
    where: WHERE,
    says: 'The balancer gives clients to edges that are up. Whoever was at the edge that died has lost the connection, comes back and is served by another one; the stream that was published there is free at once.',
  },
  topologies: EDGE_CLUSTER,
  needs: [
    'publish.rtmp',
    'play.rtmp',
    'play.flv',
    'balancer',
    'observe.upstream',
    'observe.api',
    'control.process',
  ],
  mutants: ['balancer-one-server', 'origin-frees-on-unpublish-only'],
  deadlineMs: 30_000,

  async run(t) {
    const { balancer, edges, publisher, viewers, stream } = await balanced(t);
    const pushed = await pushedThrough(t, balancer, edges);
    const { victim } = pushed;
    const others = edges.filter((edge) => edge !== victim);
    const bystanders = await playersAt(t, stream, others);
    const asked = { since: 'fault', lossless: false, group: GROUP } as const;
    const redispatch = 'it connects at once, the balancer sends it on after 3 s, HAProxy "retries"';
    for (const client of viewers) {
      const boundMs = REDISPATCHED_WITHIN_MS + RETURNED_WITHIN_MS;
      watchFor(t, { ...asked, publisher, client, part: 'returns', boundMs, why: redispatch });
    }
    for (const { habit, stream: own, label } of pushed.encoders) {
      const backMs = encoderBackMs(habit, REDISPATCHED_WITHIN_MS + HANDSHAKE_MS);
      const why = `${habit.name} waits ${habit.waitMs(0)} ms, then ${habit.waitMs(1)} ms; HAProxy "retries" 3 s`;
      watchFor(t, { ...asked, publisher: label, client: label, part: 'publishes', boundMs: backMs, why });
      for (const client of await playersAt(t, own, others, { prefix: `${label}-` })) {
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
    watchUntouched(t, { group: GROUP, publisher }, bystanders);
    boundStorm(t, GROUP, 1 + pushed.encoders.length);
    await t.control(t.cluster.nodes.get(victim)!, 'kill');
    await settled(t, GROUP);
  },

  judge: (history) => judgeReturns(history, GROUP, ['returns']),
  timeline: (history) => timelineOf(history, GROUP),
});

const edgeFrozen = check({
  id: 'failover/edge-frozen',
  title: 'When an edge freezes, the balancer finds it out and its viewers come back at another one',
  level: 'must',
  spec: {
    source: SEED,
    where: `${WHERE}; HAProxy 2.6 Configuration Manual, "check", "on-marked-down"`,
    says: 'A frozen edge keeps its connections and says nothing. Live sessions have long timeouts, so the balancer ends those of an edge that its check finds down; viewers come back and are served by another one.',
  },
  topologies: EDGE_CLUSTER,
  needs: [
    'publish.rtmp',
    'play.rtmp',
    'play.flv',
    'balancer',
    'observe.upstream',
    'observe.api',
    'control.process',
  ],
  mutants: ['balancer-keeps-sessions', 'balancer-blind-to-edges', 'balancer-one-server'],
  deadlineMs: 30_000,

  async run(t) {
    const { edges, publisher, viewers, stream } = await balanced(t, PATIENT_MS);
    const [victim, ...others] = edges as [string, ...string[]];
    const bystanders = await playersAt(t, stream, others);
    const why = 'the balancer notices, HAProxy "inter", "fall", "timeout check"; the viewer connects at once';
    for (const client of viewers) {
      const boundMs = BALANCER_NOTICES_MS + RETURNED_WITHIN_MS;
      watchFor(t, {
        publisher,
        client,
        part: 'returns',
        boundMs,
        why,
        since: 'fault',
        lossless: false,
        group: GROUP,
      });
    }
    watchUntouched(t, { group: GROUP, publisher }, bystanders);
    boundStorm(t, GROUP, 1);
    await t.control(t.cluster.nodes.get(victim)!, 'freeze');
    await settled(t, GROUP);
  },

  judge: (history) => judgeReturns(history, GROUP, ['returns']),
  timeline: (history) => timelineOf(history, GROUP),
});

interface Balanced {
  balancer: string;
  edges: string[];
  stream: string;
  publisher: string;
  viewers: string[];
}

interface Pushed {
  /** Where these encoders are. */
  victim: string;
  encoders: { habit: Habit; stream: string; label: string }[];
}

/** Encoders through the balancer until one edge has one of each habit; those that are elsewhere stay there. */
async function pushedThrough(t: CheckContext, balancer: string, edges: string[]): Promise<Pushed> {
  const at = new Map<string, Pushed['encoders']>();
  for (let i = 0; i < MOST_ENCODERS; i++) {
    const habit = ENCODERS[Math.floor(i / edges.length) % ENCODERS.length]!;
    const stream = t.stream('pushed');
    const { label } = await t.encode({ url: t.publishUrl(stream, balancer), label: habit.name, habit });
    const victim = await holderOf(t, stream, edges);
    const encoders = [
      ...(at.get(victim) ?? []).filter((one) => one.habit !== habit),
      { habit, stream, label },
    ];
    if (encoders.length === ENCODERS.length) return { victim, encoders };
    at.set(victim, encoders);
  }
  const apart = Promise.reject(new UnreachableError(`${MOST_ENCODERS} encoders`));
  return t.within('an edge with an encoder of each habit', 0, apart);
}

/** A stream at the origin, and viewers of it through the balancer, some at each edge. */
async function balanced(t: CheckContext, patienceMs?: number): Promise<Balanced> {
  const stream = t.stream();
  const [balancer] = namesOf(t, 'balancer') as [string];
  const edges = namesOf(t, 'edge');
  const { label: publisher } = await t.publish({ url: t.publishUrl(stream) });
  const viewers: string[] = [];
  do {
    const requests = (['rtmp', 'flv'] as const).map((protocol) => ({
      url: t.playUrl(protocol, stream, balancer),
      label: `viewer-${protocol}`,
      ...(patienceMs === undefined ? {} : { patienceMs }),
    }));
    viewers.push(...(await viewersOf(t, requests)));
  } while (viewers.length < MOST_VIEWERS && !(await everyOneHas(t, edges, stream)));
  return { balancer, edges, stream, publisher, viewers };
}

async function everyOneHas(t: CheckContext, edges: readonly string[], stream: string): Promise<boolean> {
  const readings = await Promise.all(edges.map((edge) => t.readApi(edge, stream)));
  return readings.every(({ clients }) => clients > 0);
}

export const FAILOVER_EDGE: readonly Check[] = [edgeKilled, edgeFrozen];
