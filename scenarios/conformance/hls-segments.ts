/** What is in the segments of a live stream, and whether together they are the stream. */
import { HLS_CLOSED_MS, HLS_FRAGMENT_MS, HLS_LISTED_MS, HLS_UPDATE_TARGETS } from '../bounds.ts';
import { type Check, check, type Judgement } from '../check.ts';
import type { History } from '../history.ts';
import { failed, inconclusive, judged, nameOf, notSeen, unlessOurs, videoOf } from '../judging.ts';
import { FRAME_MS } from '../stage.ts';
import {
  allOf,
  directOf,
  type FetchedSegment,
  forWatched,
  type Loaded,
  loadedBy,
  segmentsOf,
  stepAt,
  versionsOf,
  watchedOf,
} from './hls-history.ts';
import { HLS_DEADLINE_MS, observeRepublish, observeStream } from './hls-observation.ts';
import { BOTH_CLUSTERS, HLS_NEEDS, judgeSequence, RFC, spanMs } from './hls-playlists.ts';
import { HLS_POLL_MS } from './hls-watch.ts';

// segments-whole

/**
 * How far EXTINF may be from the pictures of its segment (4.3.2.1: it should be accurate): a frame at either end, as
 * audio and video are not cut at the same point.
 */
const EXTINF_OFF_MS = 2 * FRAME_MS;

/** H.264 and AAC in ADTS (ISO/IEC 13818-1 table 2-34), in the order in which their types are written here. */
const STREAMS = '0f 1b';
/** What every publisher sends (fixtures/media/README.md): AAC LC, 44.1 kHz, stereo. */
const SOUND = '2/44100/2';

const segmentsWhole = check({
  id: 'hls/segments-whole',
  title: 'Every listed segment is there, is whole, and can be played by itself',
  level: 'must',
  spec: {
    source: RFC,
    where:
      '3, 3.2, 4.3.2.1, 6.2.2; ISO/IEC 13818-1 2.4.2.1, 2.4.4.8; ISO/IEC 13818-7 6.2; SRS: facts/srs.md 6.2 (cut at keyframes)',
    says: 'What a playlist lists is answered with 200: a transport stream of whole packets that begins with its PAT and PMT, without a lost packet, with a PCR, with a keyframe and its parameter sets as its first picture, with the sound of the publisher, and as long as its EXTINF says.',
  },
  topologies: BOTH_CLUSTERS,
  needs: HLS_NEEDS,
  mutants: [
    'hls-segment-missing',
    'hls-segment-truncated',
    'hls-no-keyframe-start',
    'hls-parameter-sets-once',
    'hls-no-pcr',
    'hls-wrong-stream-type',
    'hls-wrong-adts',
  ],
  deadlineMs: HLS_DEADLINE_MS,
  run: observeStream,
  judge: (history) => forWatched(history, watchedOf(history), (node) => [judgeWhole(history, node)]),
});

function judgeWhole(history: History, node: string): Judgement {
  const segments = segmentsOf(history, node);
  const wrong = segments.flatMap((segment) =>
    flawsOf(segment).map((flaw) => `segment ${segment.sequence} ${flaw}`),
  );
  return allOf(`${node}: every listed segment whole`, segments.length, wrong, `${segments.length} segments`);
}

function flawsOf(segment: FetchedSegment): string[] {
  const { status, error, tablesFirst, keyFirst, breaks, frames, duration } = segment;
  const sorted = segment.streams.split(' ').sort().join(' ');
  if (status !== 200) return [`is answered with ${status || error}`];
  const flaws: string[] = [];
  if (error !== null) flaws.push(`is broken: ${error}`);
  if (!tablesFirst) flaws.push('does not begin with its PAT and PMT');
  if (!keyFirst) flaws.push(frames[0] ? `begins with ${nameOf(frames[0])}` : 'has no picture');
  else if (!segment.parameterSets) flaws.push('has no SPS and PPS with its first picture');
  if (breaks > 0) flaws.push(`has ${breaks} breaks of continuity counters`);
  if (sorted !== STREAMS) flaws.push(`has streams of types ${sorted}, not ${STREAMS}`);
  if (frames.length > 0 && !segment.clocked) flaws.push('has no PCR with its first picture');
  if (segment.audio.length > 0 && segment.adts !== SOUND)
    flaws.push(`has sound of ${segment.adts}, not ${SOUND}`);
  const off = Math.abs(spanMs(frames) - duration * 1000);
  if (frames.length > 0 && off > EXTINF_OFF_MS) {
    flaws.push(`has ${spanMs(frames)} ms of pictures, its EXTINF says ${duration} s`);
  }
  return flaws;
}

// end-of-stream

const endOfStream = check({
  id: 'hls/end-of-stream',
  title: 'When the publisher leaves, its last frames are listed, and the end can be told',
  level: 'must',
  spec: {
    source: RFC,
    where: '4.3.3.4, 6.2.1, 6.3.4; SRS: facts/srs.md 6.2 (closed at unpublish), 6.1 (no EXT-X-ENDLIST)',
    says: 'The last segment is closed at once; every frame up to the end is in a segment. After that there is an EXT-X-ENDLIST, or the playlist stays as it is for longer than one and a half target durations.',
  },
  topologies: ['edge-cluster'],
  needs: HLS_NEEDS,
  mutants: ['hls-no-end'],
  deadlineMs: HLS_DEADLINE_MS,
  run: observeStream,

  judge(history) {
    const setting = history.step('unpublished');
    const at = stepAt(history, 'unpublished');
    if (setting === undefined || at === undefined) return [notSeen(history, 'a publisher who left')];
    const last = videoOf(history.sent(String(setting.publisher))).at(-1);
    const lastAudio = history.sent(String(setting.publisher)).filter(({ kind }) => kind === 'audio').length;
    if (last?.stamp === null || last === undefined) return [notSeen(history, 'a last frame')];
    return forWatched(history, directOf(history), (node, loaded) => {
      const segments = segmentsOf(history, node);
      const until = history.events.at(-1)!.t;
      return [
        judgeLastSegment(history, node, segments, last.stamp!.frame, at),
        judgeSound(node, segments, lastAudio),
        judgeSilence(node, loaded, stepAt(history, 'watched-to-end') ?? until),
      ];
    });
  },
});

function judgeLastSegment(
  history: History,
  node: string,
  segments: readonly FetchedSegment[],
  frame: number,
  leftAt: number,
): Judgement {
  const bound = HLS_CLOSED_MS + 2 * HLS_POLL_MS + HLS_FRAGMENT_MS / 2;
  const expected = `${node}: frame ${frame}, the last one, is in a segment within ${bound} ms`;
  const segment = segments.find(({ frames }) => frames.some(({ stamp }) => stamp?.frame === frame));
  const total = segments.reduce((sum, { frames }) => sum + frames.length, 0);
  if (segment === undefined) {
    const seen = segments.flatMap(({ frames }) => frames).at(-1);
    return failed(expected, seen ? `the last one there is ${nameOf(seen)}` : 'there is none');
  }
  if (total < frame + 1) return failed(`${node}: all ${frame + 1} frames are in segments`, `${total}`);
  const tookMs = Math.round(segment.t - leftAt);
  return unlessOurs(history, judged(tookMs <= bound, expected, `after ${tookMs} ms`), HLS_LISTED_MS);
}

function judgeSound(node: string, segments: readonly FetchedSegment[], sent: number): Judgement {
  const count = segments.flatMap(({ audio }) => audio).length;
  const expected = `${node}: all ${sent} audio frames are in segments`;
  if (sent + count === 0) return inconclusive(expected, 'none was sent');
  return judged(count === sent, expected, `${count}`);
}

/** A playlist stays as it is when it is still answered, and the same. */
function judgeSilence(node: string, loaded: readonly Loaded[], until: number): Judgement {
  const last = versionsOf(loaded).at(-1)!;
  const quietMs = Math.round(until - last.t);
  const boundMs = last.playlist.targetDuration * 1000 * HLS_UPDATE_TARGETS;
  const expected = `${node}: EXT-X-ENDLIST, or no change for more than ${boundMs} ms`;
  if (last.playlist.endList) return judged(true, expected, 'EXT-X-ENDLIST');
  const answeredMs = Math.round(loaded.at(-1)!.t - last.t);
  if (quietMs > boundMs && answeredMs <= boundMs - 2 * HLS_POLL_MS)
    return inconclusive(expected, `no playlist came later than ${answeredMs} ms after the last change`);
  return judged(quietMs > boundMs, expected, `no change for ${quietMs} ms`);
}

// republish-discontinuity

const republishDiscontinuity = check({
  id: 'hls/republish-discontinuity',
  title: 'Where another publisher begins, a discontinuity is signaled, and numbers go on',
  level: 'must',
  spec: {
    source: RFC,
    where: '4.3.2.3, 6.2.1, 6.2.2; SRS: facts/srs.md 6.1',
    says: 'Another publisher of the same stream has other timestamps: EXT-X-DISCONTINUITY comes before its first segment, no segment has frames of both, and media sequence numbers are not given again.',
  },
  topologies: ['edge-cluster'],
  needs: HLS_NEEDS,
  mutants: ['hls-discontinuity-missing'],
  deadlineMs: HLS_DEADLINE_MS,
  run: observeRepublish,
  judge: (history) =>
    forWatched(history, watchedOf(history), (node, loaded) => [
      judgeBoundary(history, node),
      judgeSequence(node, versionsOf(loaded)),
    ]),
});

function judgeBoundary(history: History, node: string): Judgement {
  const expected = `${node}: a discontinuity before the second publisher's first segment`;
  const streams = ['first', 'second'].map(
    (label) => history.sent(label).find(({ stamp }) => stamp !== null)?.stamp?.stream,
  );
  const [first, second] = streams;
  if (first === undefined || second === undefined) return notSeen(history, 'two publishers');
  const segments = segmentsOf(history, node);
  const has = (segment: FetchedSegment, stream: number) =>
    segment.frames.some(({ stamp }) => stamp?.stream === stream);
  const mixed = segments.find((segment) => has(segment, first) && has(segment, second));
  if (mixed !== undefined) return failed(expected, `segment ${mixed.sequence} has frames of both`);
  const boundary = segments.find((segment) => has(segment, second));
  if (boundary === undefined) return failed(expected, 'no segment has frames of the second publisher');
  if (!segments.some((segment) => has(segment, first))) {
    return failed(`${node}: segments of the first publisher`, 'none');
  }
  // The playlist that a player sees says it for as long as the segment before is listed, too.
  const listings = loadedBy(history, node).flatMap(({ playlist }) => playlist.segments);
  const told = listings.filter(({ sequence, uri }) => sequence === boundary.sequence && uri === boundary.uri);
  if (told.length === 0)
    return inconclusive(expected, `no playlist with segment ${boundary.sequence} was read`);
  const silent = told.filter(({ discontinuity }) => !discontinuity);
  return judged(
    silent.length === 0,
    expected,
    silent.length === 0 ? `segment ${boundary.sequence}` : `none before segment ${boundary.sequence}`,
  );
}

export const HLS_SEGMENT_CHECKS: readonly Check[] = [segmentsWhole, endOfStream, republishDiscontinuity];
