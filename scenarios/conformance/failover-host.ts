/** Hosts with several edge processes: one dies or freezes behind its Nginx, and the local origin that others pull from. */
import type { NodeSpec } from '../../lab/topology.ts';
import { PLAYING_WITHIN_MS, RESUMED_WITHIN_MS, RETURNED_WITHIN_MS } from '../bounds.ts';
import { type Check, type CheckContext, check, UnreachableError } from '../check.ts';
import { timelineOf } from '../failover-timeline.ts';
import { FFMPEG, VIEWER } from '../habits.ts';
import { watchUntouched } from './failover-asked.ts';
import { boundStorm, cured, judgeFailover, judgeReturns, settled, watchFor } from './failover-judging.ts';
import { PATIENT_MS, playersAt, viewersOf } from './failover-setting.ts';
import { namesOf } from './masters-and-slaves.ts';

const GROUP = 'hosts';
const DOWN_MS = 500;
/** Nginx gives connections to its processes in turn: of so many per protocol each has two. */
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
    watchUntouched(t, { group: GROUP, publisher }, [publisher, ...untouched]);
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

// host-process-frozen

const FROZEN = 'frozen-process';
/** A process that says nothing hangs (lab/render/nginx-stream.ts, SILENCE_SECONDS). */
const SILENT_MS = 10_000;
const PROTOCOLS = ['rtmp', 'flv'] as const;

const hostProcessFrozen = check({
  id: 'failover/host-process-frozen',
  title:
    'When an edge process of a host freezes, Nginx ends its viewers after 10 s of silence, and they come back at another one',
  level: 'must',
  spec: {
    source: 'ngx_stream_proxy_module, ngx_stream_upstream_module',
    where: 'proxy_timeout; server: max_fails; seeds/002, 问题:重复回源',
    says: 'A frozen process takes connections and says nothing. A server is unavailable to Nginx when it cannot be connected to, which this one can; only silence tells. Connections are given in turn, so that a viewer who comes back from it is given to the next process.',
  },
  topologies: ['local-origin'],
  needs: ['publish.rtmp', 'play.rtmp', 'play.flv', 'observe.api', 'observe.upstream', 'control.process'],
  mutants: ['front-waits-for-edges', 'front-fewest-first'],
  deadlineMs: 45_000,

  async run(t) {
    const [origin] = namesOf(t, 'origin') as [string];
    const front = t.nodes('web')[0]!.spec;
    const stream = t.stream();
    const { label: publisher } = await t.publish({ url: t.publishUrl(stream, origin) });
    const asked = { group: FROZEN, publisher, since: 'fault' } as const;
    const viewers: Placed[] = [];
    for (const protocol of PROTOCOLS) {
      const url = t.playUrl(protocol, stream, front.name);
      viewers.push(...(await placed(t, { url, stream, among: front.upstreams, last: viewers.at(-1)?.edge })));
    }
    const victim = viewers.at(-1)!.edge;
    for (const { viewer } of viewers.filter(({ edge }) => edge === victim)) {
      watchFor(t, {
        ...asked,
        client: viewer,
        part: 'returns',
        boundMs: SILENT_MS + RETURNED_WITHIN_MS,
        why: 'Nginx takes 10 s of silence for a process that hangs; the viewer connects at once, to the next in turn',
        lossless: false,
      });
    }
    const elsewhere = viewers.filter(({ edge }) => edge !== victim).map(({ viewer }) => viewer);
    watchUntouched(t, { group: FROZEN, publisher }, [publisher, ...elsewhere]);
    boundStorm(t, FROZEN, 1);
    await t.control(t.cluster.nodes.get(victim)!, 'freeze');
    await settled(t, FROZEN);
  },

  judge: (history) => judgeFailover(history, FROZEN),
  timeline: (history) => timelineOf(history, FROZEN),
});

interface Placed {
  readonly viewer: string;
  readonly edge: string;
}

interface PlacedRequest {
  readonly url: string;
  readonly stream: string;
  readonly among: readonly string[];
  /** Where the last viewer has to be; anywhere when left out. */
  readonly last: string | undefined;
}

/**
 * Viewers through Nginx, as many as there are processes or more, until the last of them is where it is wanted: that
 * process has had its turn, and the next viewer is given to another one.
 */
async function placed(t: CheckContext, { url, stream, among, last }: PlacedRequest): Promise<Placed[]> {
  const clients = async () => Promise.all(among.map(async (edge) => (await t.readApi(edge, stream)).clients));
  const viewers: Placed[] = [];
  let before = await clients();
  while (viewers.length < 3 * among.length) {
    const [viewer] = (await viewersOf(t, [{ url, patienceMs: PATIENT_MS }])) as [string];
    const after = await clients();
    const edge = among.find((_, i) => after[i]! > before[i]!);
    before = after;
    if (edge === undefined) break;
    viewers.push({ viewer, edge });
    if (viewers.length >= among.length && edge === (last ?? edge)) return viewers;
  }
  const nowhere = Promise.reject(new UnreachableError(`asked: ${among.join(', ')}`));
  return t.within(`a viewer at ${last ?? 'a process of the host'}`, 0, nowhere);
}

export const FAILOVER_HOST: readonly Check[] = [hostProcessKilled, hostProcessFrozen];
