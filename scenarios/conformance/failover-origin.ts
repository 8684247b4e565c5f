/** The only origin of a cluster is killed, or frozen for a while. */
import { setTimeout } from 'node:timers/promises';
import {
  HLS_ABSENT_LIFE_MS,
  HLS_AVAILABLE_MS,
  HLS_LISTED_MS,
  HLS_PLAYLIST_LIFE_MS,
  PLAYING_WITHIN_MS,
  PULL_SILENCE_MS,
  RESUMED_WITHIN_MS,
  TWO_HOPS_MS,
} from '../bounds.ts';
import { type Check, type CheckContext, check, type Judgement } from '../check.ts';
import { curedAt } from '../failover-steps.ts';
import { timelineOf } from '../failover-timeline.ts';
import { FFMPEG, VIEWER } from '../habits.ts';
import type { EventOf, History } from '../history.ts';
import { failed, judged, notSeen } from '../judging.ts';
import { shareObservation } from '../shared-observation.ts';
import { standStillAndGoOn } from './failover-faults.ts';
import { boundStorm, cured, judgeFailover, settled, watchFor } from './failover-judging.ts';
import { EDGE_CLUSTER, hlsViewers, playersAt, RELOADS, SRS, viewersOf } from './failover-setting.ts';
import { namesOf } from './masters-and-slaves.ts';

const WHERE = 'app/srs_app_edge.cpp, SrsEdgeIngester::cycle';

// origin-killed, and what it is to HLS

const LIVE = 'live';
const HLS = 'hls';
/** An encoder that tries every second is back so long after its origin is: a second for the handshake. */
const ENCODER_BACK_MS = FFMPEG.waitMs(1) + 1000;
/** Between two attempts of a viewer, where the origin is away for a second or two. */
const VIEWER_WAITS_MS = VIEWER.waitMs(2);
/** Long enough for a cache to forget its playlist, and for the question about it. */
const DOWN_MS = HLS_PLAYLIST_LIFE_MS + HLS_LISTED_MS;

/** A segment, a 404 that a cache may keep, one more look, and the segment to be loaded. */
const HLS_BACK_MS =
  ENCODER_BACK_MS +
  HLS_AVAILABLE_MS +
  HLS_ABSENT_LIFE_MS +
  HLS_PLAYLIST_LIFE_MS +
  2 * RELOADS.waitMs(0) +
  HLS_LISTED_MS;

function observeKill(t: CheckContext): Promise<void> {
  return shareObservation(t, 'origin-killed', async () => {
    const stream = t.stream();
    const origin = t.nodes('origin')[0]!;
    const encoder = await t.encode({ url: t.publishUrl(stream), habit: FFMPEG });
    const asked = { publisher: encoder.label, since: 'cure', lossless: false, group: LIVE } as const;
    const why = `the encoder is back within ${ENCODER_BACK_MS} ms`;
    watchFor(t, {
      ...asked,
      client: encoder.label,
      part: 'publishes',
      boundMs: ENCODER_BACK_MS,
      why: 'it tries every second',
    });
    const [waiting, [direct], hls] = await Promise.all([
      playersAt(t, stream, namesOf(t, 'edge')),
      viewersOf(t, [{ url: t.playUrl('rtmp', stream, origin.spec.name), label: 'at-origin' }]),
      viewersOf(t, hlsViewers(t, stream), HLS_AVAILABLE_MS + PLAYING_WITHIN_MS),
    ]);
    for (const client of waiting) {
      const boundMs = ENCODER_BACK_MS + RESUMED_WITHIN_MS;
      watchFor(t, {
        ...asked,
        client,
        part: 'waits',
        boundMs,
        why: `${why}; the pause of an edge is 3 s, facts/srs.md 1.4`,
      });
    }
    const boundMs = ENCODER_BACK_MS + VIEWER_WAITS_MS + PLAYING_WITHIN_MS;
    watchFor(t, {
      ...asked,
      client: direct!,
      part: 'returns',
      boundMs,
      why: `${why}; it waits up to ${VIEWER_WAITS_MS} ms`,
    });
    for (const client of hls) {
      const back = `${why}; a segment, what a cache keeps, two looks`;
      watchFor(t, { ...asked, client, part: 'returns', boundMs: HLS_BACK_MS, why: back, group: HLS });
    }
    boundStorm(t, LIVE, 1);
    const cache = t.nodes('web').find(({ spec }) => spec.web === 'cache')!.spec.name;
    const playlist = t.playUrl('hls', stream, cache);
    const segment = await lastSegment(t, `hls-${cache}`);
    await t.control(origin, 'kill');
    const down = t.observe(DOWN_MS, 'a cluster without its origin');
    await setTimeout(DOWN_MS - HLS_LISTED_MS / 2, undefined, { signal: t.signal });
    await t.http(playlist, { label: 'playlist-without-origin' });
    await t.http(segment, { label: 'segment-without-origin' });
    await down;
    await t.control(origin, 'restart');
    cured(t, `${origin.spec.name} is ready`);
    await Promise.all([settled(t, LIVE), settled(t, HLS)]);
  });
}

/** The URL of the segment that a viewer loaded last. */
async function lastSegment(t: CheckContext, client: string): Promise<string> {
  const loaded = (event: EventOf<'http.exchange'>) =>
    event.client === client && event.kind === 'segment' && event.status === 200;
  const last = (history: History) => history.of('http.exchange').findLast(loaded);
  await t.until(`${client}: a whole segment`, HLS_AVAILABLE_MS, (history) => last(history) !== undefined);
  return last(t.history)!.url;
}

const NEEDS = [
  'publish.rtmp',
  'play.rtmp',
  'play.flv',
  'play.hls',
  'cache',
  'observe.upstream',
  'control.process',
] as const;

const originKilled = check({
  id: 'failover/origin-killed',
  title: 'When the origin dies and comes back, the players of edges have stayed and see the stream again',
  level: 'must',
  spec: {
    source: SRS,
    where: WHERE,
    says: 'Players of an edge stay connected while their origin is gone. The edge tries again every 3 s; when the encoder has published anew, they get its frames, each once.',
  },
  topologies: EDGE_CLUSTER,
  needs: NEEDS,
  mutants: [
    'edge-never-retries',
    'edge-retries-at-once',
    'edge-closes-players-with-origin',
    'edge-doubles-after-resume',
    'edge-resumes-with-stale-gop',
  ],
  deadlineMs: 40_000,
  run: observeKill,
  judge: (history) => judgeFailover(history, LIVE),
  timeline: (history) => timelineOf(history, LIVE),
});

const cacheOriginKilled = check({
  id: 'failover/cache-origin-killed',
  title:
    'A cache without its origin gives what cannot change, no old playlist, and is up to date once the origin is back',
  level: 'must',
  spec: {
    source: 'SRS 7.0.18',
    where: 'conf/hls.edge.conf; RFC 8216 6.2.1 and 6.3.4',
    says: 'Segments do not change, so who asks for one that is cached notices nothing. An old playlist would be a live stream that stands still: there is none without the origin. Neither errors nor segments of before are kept when it is back.',
  },
  topologies: EDGE_CLUSTER,
  needs: NEEDS,
  mutants: ['cache-serves-stale', 'cache-keeps-errors', 'cache-no-segments'],
  deadlineMs: 40_000,
  run: observeKill,
  judge: (history) => [...judgeWithoutOrigin(history), ...judgeFailover(history, HLS)],
  timeline: (history) => timelineOf(history, HLS),
});

function judgeWithoutOrigin(history: History): Judgement[] {
  const asked = (label: string) => history.of('http.exchange').find(({ client }) => client === label);
  const [playlist, segment] = [asked('playlist-without-origin'), asked('segment-without-origin')];
  if (playlist === undefined || segment === undefined || curedAt(history) === undefined) {
    return [notSeen(history, 'a playlist and a segment asked of the cache while its origin is down')];
  }
  const old = `no playlist from a cache whose origin has been down for longer than ${HLS_PLAYLIST_LIFE_MS} ms`;
  const kept = 'a segment from the cache while its origin is down';
  return [
    judged(
      playlist.status >= 500,
      old,
      `status ${playlist.status}${playlist.error === null ? '' : `, ${playlist.error}`}`,
    ),
    segment.status === 200 && segment.bytes > 0
      ? judged(true, kept, `${segment.bytes} bytes`)
      : failed(kept, `status ${segment.status}`),
  ];
}

// origin-stalled

const STALLED = 'stalled';
/** Below the 5 s that an edge waits, and the 5 s that an origin waits for its publisher (facts/srs.md 1.1, 10.2). */
const STALL_MS = 3000;

const originStalled = check({
  id: 'failover/origin-stalled',
  title: 'An origin that stands still for 3 s loses nobody and no frame',
  level: 'must',
  spec: {
    source: SRS,
    where: 'app/srs_app_edge.cpp, SRS_EDGE_INGESTER_TIMEOUT; conf/full.conf, normal_timeout',
    says: 'Edges and publishers are patient for 5 s. When a stall is shorter, every connection is what it was, and every frame comes, late and once.',
  },
  topologies: EDGE_CLUSTER,
  needs: ['publish.rtmp', 'play.rtmp', 'play.flv', 'observe.upstream', 'control.process'],
  mutants: ['edge-impatient-with-origin', 'edge-closes-players-with-stall', 'media-drops-frames'],
  deadlineMs: 25_000,

  async run(t) {
    await freezeOrigin(t, STALL_MS, {
      group: STALLED,
      boundMs: STALL_MS + TWO_HOPS_MS,
      since: 'fault',
      lossless: true,
    });
  },

  judge: (history) => judgeFailover(history, STALLED),
  timeline: (history) => timelineOf(history, STALLED),
});

// origin-frozen

const FROZEN = 'frozen';
/** Longer than the patience of an edge, so that it gives up; its first attempt finds the origin well. */
const FREEZE_MS = PULL_SILENCE_MS + 1500;

const originFrozen = check({
  id: 'failover/origin-frozen',
  title: 'When an origin freezes until its edges give it up, their players stay and see the stream again',
  level: 'must',
  spec: {
    source: SRS,
    where: WHERE,
    says: 'An edge gives an origin up that is silent for 5 s, waits 3 s and tries again. A frozen origin accepts connections and does not answer: an attempt that came too early is followed by another.',
  },
  topologies: EDGE_CLUSTER,
  needs: ['publish.rtmp', 'play.rtmp', 'play.flv', 'observe.upstream', 'control.process'],
  mutants: ['edge-never-retries', 'edge-resumes-with-stale-gop', 'edge-doubles-after-resume'],
  deadlineMs: 35_000,

  async run(t) {
    await freezeOrigin(t, FREEZE_MS, {
      group: FROZEN,
      boundMs: RESUMED_WITHIN_MS,
      since: 'cure',
      lossless: false,
    });
  },

  judge: (history) => judgeFailover(history, FROZEN),
  timeline: (history) => timelineOf(history, FROZEN),
});

interface Freeze {
  group: string;
  boundMs: number;
  since: 'fault' | 'cure';
  lossless: boolean;
}

async function freezeOrigin(
  t: CheckContext,
  ms: number,
  { group, boundMs, since, lossless }: Freeze,
): Promise<void> {
  const stream = t.stream();
  const origin = t.nodes('origin')[0]!;
  const encoder = await t.encode({ url: t.publishUrl(stream), habit: FFMPEG });
  const asked = { publisher: encoder.label, lossless, group } as const;
  const waiting = await playersAt(t, stream, namesOf(t, 'edge'));
  for (const client of waiting) {
    const why = lossless
      ? `a stall of ${ms} ms, two merged writes`
      : 'the pause of an edge is 3 s, facts/srs.md 1.4';
    watchFor(t, { ...asked, client, part: 'waits', boundMs, since, why });
  }
  watchFor(
    t,
    lossless
      ? {
          ...asked,
          client: encoder.label,
          part: 'untouched',
          boundMs: TWO_HOPS_MS,
          since,
          why: 'what it sends waits',
        }
      : {
          ...asked,
          client: encoder.label,
          part: 'publishes',
          boundMs: ENCODER_BACK_MS,
          since,
          why: 'it tries every second',
        },
  );
  boundStorm(t, group, lossless ? 0 : 1);
  await standStillAndGoOn(t, [origin], { group, forMs: ms, why: 'an origin that stands still' });
}

export const FAILOVER_ORIGIN: readonly Check[] = [
  originKilled,
  cacheOriginKilled,
  originStalled,
  originFrozen,
];
