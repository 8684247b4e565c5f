/** What is there once and in front of everybody freezes; the Nginx that does is started again. */
import type { ClusterNode } from '../../lab/cluster.ts';
import type { EntrySpec } from '../../lab/topology.ts';
import {
  HLS_AVAILABLE_MS,
  HLS_FRAGMENT_MS,
  HLS_UPDATE_TARGETS,
  PLAYING_WITHIN_MS,
  RETURNED_WITHIN_MS,
} from '../bounds.ts';
import { type Check, type CheckContext, check, type Judgement } from '../check.ts';
import { courseOf } from '../failover-course.ts';
import { curedAt, faultsIn, watchedIn } from '../failover-steps.ts';
import { timelineOf } from '../failover-timeline.ts';
import { FFMPEG, VIEWER } from '../habits.ts';
import type { History } from '../history.ts';
import { inconclusive, judged, listed, notSeen } from '../judging.ts';
import { judgeGone, judgeHeld } from '../wire/presence.ts';
import {
  type Asked,
  encodersThrough,
  FORWARDED,
  WORKED_OFF_MS,
  watchHeld,
  watchNewcomer,
  watchSender,
  watchUntouched,
} from './failover-asked.ts';
import { dieAndReturn, standStillAndGoOn } from './failover-faults.ts';
import { boundStorm, judgeFailover, judgeReturns, watchFor } from './failover-judging.ts';
import { HANDSHAKE_MS, hlsViewer, playersAt, RELOADS, SEGMENT_MS, viewersOf } from './failover-setting.ts';
import { namesOf } from './masters-and-slaves.ts';

/** HAProxy, and every Nginx but a cache, which is beside another one. */
function frontsOf(t: CheckContext): ClusterNode[] {
  return [...t.nodes('balancer'), ...websOf(t)];
}

function websOf(t: CheckContext): ClusterNode[] {
  return t.nodes('web').filter(({ spec }) => spec.web !== 'cache');
}

function enters(
  t: CheckContext,
  node: string,
  use: EntrySpec['use'],
  protocol: EntrySpec['protocol'],
): boolean {
  return t.cluster.topology.entries.some(
    (entry) => entry.node === node && entry.use === use && entry.protocol === protocol,
  );
}

function liveAt(t: CheckContext, node: string): ('rtmp' | 'flv')[] {
  return (['rtmp', 'flv'] as const).filter((protocol) => enters(t, node, 'play', protocol));
}

/** A viewer of HLS, where there is any. */
async function hlsAt(t: CheckContext, stream: string, node: string): Promise<string[]> {
  if (!enters(t, node, 'play', 'hls')) return [];
  return viewersOf(t, [hlsViewer(t, stream, node)], HLS_AVAILABLE_MS + PLAYING_WITHIN_MS);
}

/** Where clients can be that pass none of these nodes on their way: whose upstreams are others. */
function asideOf(t: CheckContext, fronts: readonly ClusterNode[]): string[] {
  const passed = new Set(fronts.map(({ spec }) => spec.name));
  return [...t.nodes('slave').slice(0, 1), ...t.nodes('edge'), ...t.nodes('proxy')]
    .filter(({ spec }) => !spec.upstreams.some((upstream) => passed.has(upstream)))
    .map(({ spec }) => spec.name);
}

/** An encoder publishes there without passing a front. */
function sourceOf(t: CheckContext): string {
  const [source] = (['proxy', 'master', 'origin'] as const).flatMap((role) => namesOf(t, role));
  return source!;
}

function isForwarded(t: CheckContext): boolean {
  return t.cluster.capabilities.has('forward');
}

/** Encoder and players that pass no front notice nothing, edges no more than they. */
async function watchAside(
  t: CheckContext,
  stream: string,
  nodes: readonly string[],
  asked: Asked,
): Promise<void> {
  const playersOf = (protocol: 'rtmp' | 'flv') =>
    playersAt(t, stream, nodes, { protocols: [protocol], withinMs: 2 * PLAYING_WITHIN_MS });
  // In this order: an SRS edge names the HLS of a stream as its first player does, that of HTTP-FLV by `.flv`.
  const players = [...(await playersOf('rtmp')), ...(await playersOf('flv'))];
  watchUntouched(t, asked, [asked.publisher, ...players], isForwarded(t) ? FORWARDED : undefined);
}

// entry-frozen

const FROZEN = 'frozen-entry';
/** Longer than the defects' patience of a second; with a heartbeat before it shorter than the life of an origin. */
const FREEZE_MS = 1300;

const entryFrozen = check({
  id: 'failover/entry-frozen',
  title:
    'When HAProxy and Nginx in front of everybody freeze and go on, who came through them has stayed, and every frame comes, late',
  level: 'must',
  spec: {
    source: 'RFC 9293',
    where: '3.8.6, a receiver that takes nothing: what is sent waits; listen(2), backlog: so does who comes',
    says: 'Nobody else can take over, and nothing is broken: connections are kept, what is sent waits in the buffers of the system and passes at once when the process goes on, and who comes meanwhile waits to be accepted. Who does not pass it notices nothing.',
  },
  topologies: ['edge-cluster', 'forward-cluster', 'proxy-redis', 'local-origin'],
  needs: ['publish.rtmp', 'play.rtmp', 'play.flv', 'observe.upstream', 'control.process'],
  mutants: [
    'media-drops-frames',
    'edge-closes-players-with-stall',
    'edge-impatient-with-origin',
    'web-impatient',
    'front-impatient',
  ],
  deadlineMs: 30_000,

  async run(t) {
    const fronts = frontsOf(t);
    const aside = asideOf(t, fronts);
    const stream = t.stream();
    const { label: publisher } = await t.publish({ url: t.publishUrl(stream, sourceOf(t)) });
    const asked = { group: FROZEN, publisher } as const;
    await watchAside(t, stream, aside, asked);
    for (const front of fronts) {
      await watchThrough(t, stream, front.spec.name, asked);
      if (enters(t, front.spec.name, 'publish', 'rtmp')) await encodeThrough(t, front.spec.name, aside);
    }
    const encoders = fronts.filter(({ spec }) => enters(t, spec.name, 'publish', 'rtmp'));
    const edges = namesOf(t, 'edge');
    const fetching = edges.filter((edge) => aside.includes(edge));
    // What is published at an edge goes to an origin over a connection of its own.
    boundStorm(t, FROZEN, encoders.length, edges, fetching);
    await standStillAndGoOn(t, fronts, {
      group: FROZEN,
      forMs: FREEZE_MS,
      why: 'what is in front of everybody says nothing',
      meanwhile: () => {
        for (const { spec } of fronts) comeTo(t, stream, spec.name, asked);
      },
    });
  },

  judge: (history) => [...judgeFailover(history, FROZEN), ...judgeStandstill(history), ...judgeHeld(history)],
  timeline: (history) => timelineOf(history, FROZEN),
});

/** Whether there was anything to be seen: what is in front of everybody has stood still. */
function judgeStandstill(history: History): Judgement[] {
  const faultAt = faultsIn(history)[0]?.t;
  const waiting = watchedIn(history, FROZEN).filter(({ part }) => part === 'waits');
  const expected = 'whoever comes through what freezes has no frame meanwhile';
  if (faultAt === undefined || waiting.length === 0) return [notSeen(history, expected)];
  const gaps = waiting.map((one) => courseOf(history, one, faultAt).gap);
  const least = Math.min(...gaps);
  return least < FREEZE_MS / 2 ? [inconclusive(expected, `a gap of ${least} ms`)] : [];
}

/** Players that pass the front get every frame. */
async function watchThrough(t: CheckContext, stream: string, front: string, asked: Asked): Promise<void> {
  const live = await playersAt(t, stream, [front], { protocols: liveAt(t, front) });
  watchHeld(t, asked, live);
  for (const client of await hlsAt(t, stream, front)) {
    watchFor(t, {
      ...asked,
      client,
      part: 'untouched',
      since: 'fault',
      boundMs: FREEZE_MS + SEGMENT_MS,
      why: `a standstill of ${FREEZE_MS} ms, a segment after the other`,
      lossless: true,
    });
  }
}

/** An encoder that publishes through the front, and players of it that do not pass it. */
async function encodeThrough(t: CheckContext, front: string, aside: readonly string[]): Promise<void> {
  const stream = t.stream('pushed');
  const { label: publisher } = await t.encode({
    url: t.publishUrl(stream, front),
    label: `encoder-${front}`,
    habit: FFMPEG,
  });
  const asked = { group: FROZEN, publisher } as const;
  watchSender(t, asked);
  const players = await playersAt(t, stream, aside.slice(0, 1), {
    prefix: `${front}-`,
    withinMs: 2 * PLAYING_WITHIN_MS,
  });
  watchHeld(t, asked, players, isForwarded(t) ? FORWARDED.boundMs + WORKED_OFF_MS : undefined);
}

/** Newcomers of every kind that the front takes; they wait until it goes on. */
function comeTo(t: CheckContext, stream: string, front: string, asked: Asked): void {
  for (const protocol of liveAt(t, front)) watchNewcomer(t, asked, t.playUrl(protocol, stream, front));
  if (!enters(t, front, 'publish', 'rtmp')) return;
  const publisher = `newcomer-at-${front}`;
  // Whether it came is judged by its frames.
  t.encode({ url: t.publishUrl(t.stream('late'), front), label: publisher, habit: FFMPEG }).catch(() => {});
  watchFor(t, {
    group: FROZEN,
    publisher,
    client: publisher,
    part: 'waits',
    since: 'cure',
    boundMs: HANDSHAKE_MS,
    why: 'it comes while nobody accepts it; a handshake',
    lossless: true,
  });
}

// nginx-restarted

const RESTARTED = 'nginx';
const DOWN_MS = 500;
/** Longer than a player of HLS waits with its next request: a target duration (RFC 8216 6.3.4). */
const DOWN_FOR_HLS_MS = HLS_UPDATE_TARGETS * HLS_FRAGMENT_MS;

const nginxRestarted = check({
  id: 'failover/nginx-restarted',
  title:
    'When Nginx in front of everybody dies and is started again, viewers and encoders come back through it, and nobody else notices, origins neither',
  level: 'must',
  spec: {
    source: 'SRS cluster with HAProxy and Nginx (seeds/003)',
    where:
      'nginx_srs.conf: one Nginx in front of the edges; seeds/000, step 3; seeds/002, several instances on one server',
    says: 'Nginx has no state that is missed. What went through it ends with it, also at the edges, which go on with their one pull of the stream as long as anybody else plays it. Who is at an edge itself notices nothing.',
  },
  topologies: ['forward-cluster', 'local-origin', 'edge-cluster'],
  needs: ['publish.rtmp', 'play.rtmp', 'play.flv', 'observe.api', 'observe.upstream', 'control.process'],
  mutants: ['edge-pulls-per-player', 'edge-releases-at-first-leaver', 'media-drops-frames'],
  deadlineMs: 30_000,

  async run(t) {
    const fronts = websOf(t);
    const stream = t.stream();
    const { label: publisher } = await t.publish({ url: t.publishUrl(stream, sourceOf(t)) });
    const asked = { group: RESTARTED, publisher } as const;
    await watchAside(t, stream, asideOf(t, fronts), asked);
    for (const { spec } of fronts) await watchReturns(t, stream, spec.name, asked);
    const published = fronts.find(({ spec }) => enters(t, spec.name, 'publish', 'rtmp'))?.spec;
    if (published !== undefined) await encodersThrough(t, published.name, RESTARTED);
    // An edge that is published to connects to an origin for it.
    const pulling = namesOf(t, 'edge').filter((edge) => !published?.upstreams.includes(edge));
    boundStorm(t, RESTARTED, 0, pulling);
    await t.readApi(sourceOf(t), stream);
    const isLive = fronts.some(({ spec }) => liveAt(t, spec.name).length > 0);
    const forMs = isLive ? DOWN_MS : DOWN_FOR_HLS_MS;
    await dieAndReturn(t, fronts, { group: RESTARTED, forMs, why: 'there is no Nginx' });
    await t.readApi(sourceOf(t), stream);
  },

  judge: (history) => [
    ...judgeReturns(history, RESTARTED, ['returns']),
    ...judgeGone(history),
    judgePulls(history),
  ],
  timeline: (history) => timelineOf(history, RESTARTED),
});

function judgePulls(history: History): Judgement {
  const expected = 'the origin has the same pulls of each edge afterwards as before';
  const faultAt = faultsIn(history)[0]?.t ?? Number.POSITIVE_INFINITY;
  const cure = curedAt(history) ?? Number.POSITIVE_INFINITY;
  const read = history.of('api.stream');
  const [first, last] = [read.findLast(({ t }) => t < faultAt), read.findLast(({ t }) => t > cure)];
  if (first === undefined || last === undefined) return notSeen(history, expected);
  const [before, after] = [listed(first.upstreamsOf), listed(last.upstreamsOf)];
  if (first.upstreams + last.upstreams === 0) return inconclusive(expected, `${before}; then ${after}`);
  return judged(after === before, expected, after === before ? after : `${before}; then ${after}`);
}

async function watchReturns(t: CheckContext, stream: string, front: string, asked: Asked): Promise<void> {
  const requests = liveAt(t, front).map((protocol) => ({
    url: t.playUrl(protocol, stream, front),
    label: `viewer-${protocol}`,
  }));
  for (const client of await viewersOf(t, requests)) {
    watchFor(t, {
      ...asked,
      client,
      part: 'returns',
      since: 'cure',
      boundMs: VIEWER.waitMs(2) + RETURNED_WITHIN_MS,
      why: `a viewer waits up to ${VIEWER.waitMs(2)} ms`,
      lossless: false,
    });
  }
  for (const client of await hlsAt(t, stream, front)) {
    watchFor(t, {
      ...asked,
      client,
      part: 'returns',
      since: 'cure',
      boundMs: RELOADS.waitMs(0) + SEGMENT_MS,
      why: 'it asks every half second; the next segment',
      lossless: false,
    });
  }
}

export const FAILOVER_ENTRIES: readonly Check[] = [entryFrozen, nginxRestarted];
