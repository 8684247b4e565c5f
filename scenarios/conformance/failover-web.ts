/** Edges behind the Nginx that gives each stream to one of them: one dies, another one freezes. */
import { PLAYING_WITHIN_MS, RETURNED_WITHIN_MS } from '../bounds.ts';
import { type Check, type CheckContext, check, UnreachableError } from '../check.ts';
import { timelineOf } from '../failover-timeline.ts';
import { hold, judgeGone, judgeHeld, knock, untilGone } from '../wire/presence.ts';
import { watchUntouched } from './failover-asked.ts';
import { boundStorm, judgeFailover, settled, watchFor } from './failover-judging.ts';
import { PATIENT_MS, viewersOf } from './failover-setting.ts';
import { FORWARD_CLUSTER, namesOf, SEED } from './masters-and-slaves.ts';

const GROUP = 'web';
/** An edge that says nothing to a player of HTTP-FLV hangs (lab/render/nginx.ts, FLV_SILENCE_SECONDS). */
const SILENT_MS = 10_000;
/** An edge is asked whether it lives, before it gets a player (lab/render/nginx.ts, EDGE_ANSWERS_SECONDS). */
const ASKED_MS = 1000;
/** The edge that died, the one that hangs, the one that does neither. */
const EDGES = 3;
/** Each stream has the same chance at each of four edges: three of them are met by then but once in 10^4. */
const MOST_STREAMS = 25;

const edgeBehindNginx = check({
  id: 'failover/edge-behind-nginx',
  title:
    'When edges behind Nginx die or freeze, their viewers come back through it at others, and newcomers get no frozen one',
  level: 'must',
  spec: {
    source: SEED,
    where:
      'nginx_srs.conf: upstream of edges; ngx_http_proxy_module, proxy_read_timeout, proxy_next_upstream',
    says: 'Viewers have one address, and what is behind it may fail. Whoever was at an edge that dies comes back at another one; a frozen edge is silent, which no live stream is for long, so its viewers are sent away to come back, and nobody is given to it.',
  },
  topologies: FORWARD_CLUSTER,
  needs: ['publish.rtmp', 'play.flv', 'forward', 'observe.api', 'observe.upstream', 'control.process'],
  mutants: ['web-waits-for-edges', 'web-stays-with-edge', 'media-drops-frames'],
  deadlineMs: 45_000,

  async run(t) {
    const { streams, watching } = await onePerEdge(t);
    const [dying, freezing, untouched] = watching;
    const asked = { group: GROUP, since: 'fault', lossless: false, part: 'returns' } as const;
    const { publisher } = dying;
    watchFor(t, {
      ...asked,
      publisher,
      client: dying.viewer,
      boundMs: ASKED_MS + RETURNED_WITHIN_MS,
      why: 'it connects at once, Nginx asks the next edge; that one may hang for 1 s',
    });
    watchFor(t, {
      ...asked,
      publisher: freezing.publisher,
      client: freezing.viewer,
      boundMs: SILENT_MS + ASKED_MS + RETURNED_WITHIN_MS,
      why: 'Nginx takes 10 s of silence for an edge that hangs, and asks the next one after 1 s',
    });
    watchFor(t, {
      ...asked,
      publisher: freezing.publisher,
      client: 'newcomer',
      boundMs: ASKED_MS + PLAYING_WITHIN_MS,
      why: 'Nginx asks the next edge after 1 s',
    });
    watchUntouched(t, { group: GROUP, publisher: untouched.publisher }, [untouched.viewer]);
    boundStorm(t, GROUP, streams);
    const killed = t.cluster.nodes.get(dying.edge)!;
    await knock(t, killed);
    await Promise.all([t.control(killed, 'kill'), hold(t, t.cluster.nodes.get(freezing.edge)!)]);
    await Promise.all([
      untilGone(t, killed),
      viewersOf(
        t,
        [{ url: t.playUrl('flv', freezing.stream), label: 'newcomer', patienceMs: PATIENT_MS }],
        ASKED_MS + PLAYING_WITHIN_MS,
      ),
    ]);
    await settled(t, GROUP);
  },

  judge: (history) => [...judgeFailover(history, GROUP), ...judgeGone(history), ...judgeHeld(history)],
  timeline: (history) => timelineOf(history, GROUP),
});

interface Watching {
  readonly stream: string;
  readonly publisher: string;
  readonly viewer: string;
  readonly edge: string;
}

/** Streams with a viewer through Nginx, each at another edge: which one is Nginx's own choice. `streams` were published. */
async function onePerEdge(
  t: CheckContext,
): Promise<{ streams: number; watching: [Watching, Watching, Watching] }> {
  const edges = namesOf(t, 'edge');
  const [master] = namesOf(t, 'master') as [string];
  const found = new Map<string, Watching>();
  let streams = 0;
  for (; streams < MOST_STREAMS && found.size < EDGES; streams++) {
    const stream = t.stream();
    const { label: publisher } = await t.publish({ url: t.publishUrl(stream, master) });
    const [viewer] = (await viewersOf(t, [
      { url: t.playUrl('flv', stream), label: `viewer-${streams}`, patienceMs: PATIENT_MS },
    ])) as [string];
    const readings = await Promise.all(edges.map((edge) => t.readApi(edge, stream)));
    const edge = edges[readings.findIndex(({ clients }) => clients > 0)];
    if (edge !== undefined && !found.has(edge)) found.set(edge, { stream, publisher, viewer, edge });
  }
  if (found.size < EDGES) {
    const elsewhere = Promise.reject(new UnreachableError(`only ${[...found.keys()].join(', ')}`));
    await t.within(`${EDGES} edges that Nginx gives streams to`, 0, elsewhere);
  }
  return { streams, watching: [...found.values()] as [Watching, Watching, Watching] };
}

export const FAILOVER_WEB: readonly Check[] = [edgeBehindNginx];
