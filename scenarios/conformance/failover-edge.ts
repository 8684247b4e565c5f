/** An edge behind the balancer goes: its viewers, and an encoder that publishes through it, come back at another one. */
import {
  BALANCER_NOTICES_MS,
  REDISPATCHED_WITHIN_MS,
  RESUMED_WITHIN_MS,
  RETURNED_WITHIN_MS,
  TWO_HOPS_MS,
} from '../bounds.ts';
import { type Check, type CheckContext, check } from '../check.ts';
import { timelineOf } from '../failover-timeline.ts';
import { FFMPEG } from '../habits.ts';
import { boundStorm, judgeReturns, settled, watchFor } from './failover-judging.ts';
import { EDGE_CLUSTER, PATIENT_MS, playersAt, viewersOf } from './failover-setting.ts';
import { holderOf, namesOf } from './masters-and-slaves.ts';

const SEED = 'Edge cluster on Kubernetes (seeds/000)';
const WHERE = 'step 6, the load balancer in front of the edges';
const GROUP = 'edge';
/** Enough for each edge to have some, also where the balancer has only just found one to be up again. */
const MOST_VIEWERS = 12;
/** An encoder that tries at once, then every second, through a balancer that may have to send it on. */
const ENCODER_BACK_MS = REDISPATCHED_WITHIN_MS + FFMPEG.waitMs(1) + 1000;

const edgeKilled = check({
  id: 'failover/edge-killed',
  title:
    'When an edge dies, its viewers and its encoder come back through the balancer, and others notice nothing',
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
    const pushed = t.stream('pushed');
    const encoder = await t.encode({ url: t.publishUrl(pushed, balancer), habit: FFMPEG });
    const victim = await holderOf(t, pushed, edges);
    const others = edges.filter((edge) => edge !== victim);
    const [bystanders, followers] = await Promise.all([
      playersAt(t, stream, others),
      playersAt(t, pushed, others, { prefix: 'pushed-' }),
    ]);
    const asked = { since: 'fault', lossless: false, group: GROUP } as const;
    const redispatch = 'it connects at once, the balancer sends it on after 3 s, HAProxy "retries"';
    for (const client of viewers) {
      const boundMs = REDISPATCHED_WITHIN_MS + RETURNED_WITHIN_MS;
      watchFor(t, { ...asked, publisher, client, part: 'returns', boundMs, why: redispatch });
    }
    watchFor(t, {
      ...asked,
      publisher: encoder.label,
      client: encoder.label,
      part: 'publishes',
      boundMs: ENCODER_BACK_MS,
      why: redispatch,
    });
    for (const client of followers) {
      const boundMs = ENCODER_BACK_MS + RESUMED_WITHIN_MS;
      watchFor(t, {
        ...asked,
        publisher: encoder.label,
        client,
        part: 'waits',
        boundMs,
        why: 'the encoder is back, then the pause of an edge',
      });
    }
    watchBystanders(t, publisher, bystanders);
    boundStorm(t, GROUP, 2);
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
    watchBystanders(t, publisher, bystanders);
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

function watchBystanders(t: CheckContext, publisher: string, clients: readonly string[]): void {
  const asked = { since: 'fault', lossless: true, group: GROUP, part: 'untouched' } as const;
  for (const client of clients) {
    watchFor(t, { ...asked, publisher, client, boundMs: TWO_HOPS_MS, why: 'two merged writes' });
  }
}

export const FAILOVER_EDGE: readonly Check[] = [edgeKilled, edgeFrozen];
