/** One publication, seen by the players of every protocol: the same frames, whatever the way. */

import type { MutantId } from '../../lab/builtin/mutants.ts';
import type { EngineName } from '../../lab/topology.ts';
import {
  HLS_AVAILABLE_MS,
  PLAYING_WITHIN_MS,
  RTC_PLAYING_WITHIN_MS,
  SRT_PEER_LATENCY_MS,
  SRT_RECEIVE_LATENCY_MS,
} from '../bounds.ts';
import { type Check, type CheckContext, check, type Judgement, type PlayProtocol } from '../check.ts';
import type { History } from '../history.ts';
import { failed, inconclusive, judged, notSeen, videoOf } from '../judging.ts';
import { shareObservation } from '../shared-observation.ts';
import { FRAME_MS } from '../stage.ts';
import { stepsOf } from '../wire/attempt.ts';
import { wallClock } from '../wire/socket.ts';
import { bridgeMissing } from '../wire/webrtc.ts';
import { judgeFrames } from './srt-delivery.ts';
import { closedByPeer } from './srt-lines.ts';

type Source = 'rtmp' | 'srt' | 'webrtc';
const SOURCES: readonly Source[] = ['rtmp', 'srt', 'webrtc'];
const TARGETS: readonly PlayProtocol[] = ['rtmp', 'flv', 'hls', 'srt', 'webrtc'];
const NAMES: Readonly<Record<PlayProtocol, string>> = {
  rtmp: 'RTMP',
  flv: 'HTTP-FLV',
  hls: 'HLS',
  srt: 'SRT',
  webrtc: 'WebRTC',
};

const NO_BRIDGE_TO_SRT =
  'SRT players get the transport stream of an SRT publisher; nothing is made into one for them (facts/srs.md 8)';
const TO_SRT = { 'rtmp>srt': NO_BRIDGE_TO_SRT, 'webrtc>srt': NO_BRIDGE_TO_SRT };
/** What engines document as absent. */
const ABSENT: Readonly<Record<EngineName, Readonly<Record<string, string>>>> = {
  builtin: TO_SRT,
  srs: TO_SRT,
  'nginx-rtmp': {},
};

/** Two GOPs and a longest period of the lab's own defects of frames. */
const FRAMES = 55;
/** The slowest way: to a playlist, and through latencies; then the frames, in whole segments. */
const WITHIN_MS =
  PLAYING_WITHIN_MS +
  RTC_PLAYING_WITHIN_MS +
  2 * HLS_AVAILABLE_MS +
  SRT_RECEIVE_LATENCY_MS +
  SRT_PEER_LATENCY_MS +
  FRAMES * FRAME_MS;
const PROBE_MS = 100;

/** All three publications side by side, with their players. */
function observeAll(t: CheckContext): Promise<void> {
  return shareObservation(t, 'all-protocols', async () => {
    const settled = await Promise.allSettled(SOURCES.map((source) => observe(t, source)));
    // Each part of the history is whole before the first failure is told.
    for (const one of settled) if (one.status === 'rejected') throw one.reason;
  });
}

async function observe(t: CheckContext, source: Source): Promise<void> {
  const { node } = t.cluster.entry('play', 'srt');
  const stream = t.stream(source);
  const publisher = await t.publish({
    url: t.publishUrl(stream, undefined, source),
    label: publisherOf(source),
  });
  t.step('published', { source, publisher: publisher.label });
  const unbridged = await bridgeMissing(t);
  await Promise.all(
    TARGETS.map(async (target) => {
      const way = `${source}>${target}`;
      const reason = ABSENT[t.cluster.engine][way] ?? (crosses(source, target) ? unbridged : undefined);
      if (reason !== undefined) {
        t.step('way', { source, target, absent: reason });
        return;
      }
      t.step('way', { source, target, player: way });
      const url = t.playUrl(target, stream, node);
      const over = wallClock() + WITHIN_MS;
      if (target === 'hls' && !(await listed(t, url, way, over))) return;
      t.play(url, way);
      // Frames that do not come are this way's, and nothing that the other publications have to answer for.
      while (videoOf(t.history.got(way)).length < FRAMES && wallClock() < over) await rest(t);
    }),
  );
}

function publisherOf(source: Source): string {
  return `${source}-publisher`;
}

function crosses(source: Source, target: PlayProtocol): boolean {
  return (source === 'webrtc') !== (target === 'webrtc');
}

/** A player who comes before the first segment would have to ask again and again. False when there is none until `over`. */
async function listed(t: CheckContext, url: string, way: string, over: number): Promise<boolean> {
  while (wallClock() < over) {
    const { status, body } = await t.http(url, { label: `${way}-probe` });
    if (status === 200 && new TextDecoder().decode(body).includes('#EXTINF')) return true;
    await rest(t);
  }
  return false;
}

async function rest(t: CheckContext): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, PROBE_MS));
  t.signal.throwIfAborted();
}

function seenBy(source: Source, id: string, mutants: readonly MutantId[]): Check {
  return check({
    id: `fan-out/all-protocols-from-${id}`,
    title: `What is published over ${NAMES[source]} is seen, frame for frame, over every protocol`,
    level: 'must',
    spec: {
      source: 'SRS 7.0.18',
      where: 'conf/full.conf rtmp_to_rtc, rtc_to_rtmp, srt_to_rtmp; app/srs_app_stream_bridge.cpp',
      says: 'A publication reaches the players of RTMP, HTTP-FLV, HLS, SRT and WHEP where there is a way, each with the same frames; a way that is documented as absent is unsupported.',
    },
    topologies: ['edge-cluster', 'proxy-cluster'],
    needs: [
      ...(['publish.rtmp', 'publish.srt', 'publish.webrtc'] as const),
      ...(['play.rtmp', 'play.flv', 'play.hls', 'play.srt', 'play.webrtc'] as const),
    ],
    mutants,
    deadlineMs: WITHIN_MS + 10_000,
    run: observeAll,
    judge: (history) => judgeSource(history, source),
  });
}

function judgeSource(history: History, source: Source): Judgement[] {
  const published = stepsOf(history, 'published').find((one) => one.source === source);
  if (published === undefined) {
    const expected = `a publisher over ${NAMES[source]}`;
    const refused = closedByPeer(history, publisherOf(source));
    return [refused === undefined ? notSeen(history, expected) : failed(expected, refused.code)];
  }
  const publisher = `${published.publisher}`;
  const ways = stepsOf(history, 'way').filter((one) => one.source === source);
  const players = ways.filter(({ absent }) => absent === undefined).map(({ player }) => `${player}`);
  return [
    ...ways.map(({ target, player, absent }): Judgement => {
      if (absent === undefined) return judgeFrames(history, publisher, `${player}`, FRAMES);
      const expected = `${NAMES[source]} to ${NAMES[target as PlayProtocol]}`;
      return { verdict: 'unsupported', expected, actual: `${absent}` };
    }),
    ...TARGETS.filter((target) => !ways.some((way) => way.target === target)).map((target) =>
      notSeen(history, `${NAMES[source]} to ${NAMES[target]}`),
    ),
    // One way alone has nothing to be compared with.
    ...(players.length > 1 ? [judgeCommon(history, players)] : []),
  ];
}

/** Frame numbers that every player has: without any they were not compared. */
function judgeCommon(history: History, players: readonly string[]): Judgement {
  const expected = `players of ${players.length} protocols have the same frames`;
  const ranges = players.map((player) => {
    const frames = videoOf(history.got(player)).flatMap(({ stamp }) => (stamp ? [stamp.frame] : []));
    return { first: Math.min(...frames), last: Math.max(...frames) };
  });
  const first = Math.max(...ranges.map((range) => range.first));
  const last = Math.min(...ranges.map((range) => range.last));
  if (!(last >= first)) return inconclusive(expected, 'no frame was seen by all of them');
  return judged(true, expected, `frames ${first} to ${last} were`);
}

export const ALL_PROTOCOLS: readonly Check[] = [
  seenBy('rtmp', 'rtmp', ['media-drops-frames', 'rtc-drops-frames', 'proxy-rtc-drops-packets']),
  seenBy('srt', 'srt', ['srt-drops-ts-packets', 'rtc-drops-sei', 'proxy-srt-drops-packets']),
  seenBy('webrtc', 'whip', ['rtc-drops-frames', 'media-drops-frames']),
];
