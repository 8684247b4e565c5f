/** Whether the segments of a live stream, one after the other, are the stream. */
import { HLS_WINDOW_MS } from '../bounds.ts';
import { type Check, check, type Judgement } from '../check.ts';
import type { EventOf, History } from '../history.ts';
import { failed, inconclusive, judged, nameOf, videoOf } from '../judging.ts';
import { FRAME_MS } from '../stage.ts';
import type { AudioFrame } from '../wire/segment.ts';
import { allOf, type FetchedSegment, forWatched, segmentsOf, told, watchedOf } from './hls-history.ts';
import { HLS_DEADLINE_MS, observeStream } from './hls-observation.ts';
import { BOTH_CLUSTERS, HLS_NEEDS, RFC } from './hls-playlists.ts';

export const continuity: Check = check({
  id: 'hls/continuity',
  title: 'The segments are the stream: no frame is lost or repeated between them',
  level: 'must',
  spec: {
    source: RFC,
    where: '3; ITU-R BT.1359-1 annex 1 (sound and pictures)',
    says: 'A segment continues the one before it: timestamps and continuity counters go on without interruption, unless a discontinuity is signaled. Every frame of the publisher is in one segment, once and unharmed, video and audio, and both are in time with each other.',
  },
  topologies: BOTH_CLUSTERS,
  needs: HLS_NEEDS,
  mutants: [
    'hls-drops-frame-at-cut',
    'hls-repeats-frame-at-cut',
    'hls-continuity-reset',
    'hls-timestamps-restart',
    'hls-audio-late',
    'hls-audio-damaged',
  ],
  deadlineMs: HLS_DEADLINE_MS,
  run: observeStream,
  judge(history) {
    const publisher = String(history.step('published')?.publisher);
    const sentAudio = audioOf(history, publisher);
    const sentVideo = timesOfFrames(history, publisher);
    const judgements = forWatched(history, watchedOf(history), (node) => {
      const segments = segmentsOf(history, node);
      return [
        judgeFrames(
          `${node}, pictures`,
          segments.flatMap(({ frames }) => frames),
        ),
        judgeAudio(node, sentAudio, segments),
        judgeTimes(node, sentVideo, segments),
        judgeSync(node, sentVideo, sentAudio, segments),
        ...judgeCounters(node, segments),
      ];
    });
    const played = videoOf(history.got('player'));
    return [
      ...judgements,
      judgeFrames('a player', played),
      ...judgePlayedOn(history, publisher, played),
      ...judgeProblems(history),
    ];
  },
});

/** By the stamp: each frame is the next one. */
function judgeFrames(who: string, frames: readonly EventOf<'player.got'>[]): Judgement {
  const wrong: string[] = [];
  for (const [i, frame] of frames.entries()) {
    const { stamp } = frame;
    const before = frames[i - 1]?.stamp;
    if (stamp === null) wrong.push(`${nameOf(frame)} has no stamp`);
    else if (!stamp.intact) wrong.push(`${nameOf(frame)} is not what was sent`);
    else if (before && stamp.frame !== before.frame + 1) {
      wrong.push(`frame ${stamp.frame} after ${before.frame}, in segment ${frame.segment}`);
    }
  }
  return allOf(`${who}: frames that go on by one`, frames.length, wrong, `${frames.length} frames`);
}

type Sent = EventOf<'publisher.sent'>;

/** FLV: an AudioTagHeader of two bytes before the raw frame (FLV v10.1 E.4.2.1, E.4.2.2). */
const AAC_TAG_HEADER = 2;

function audioOf(history: History, publisher: string): Sent[] {
  return history.sent(publisher).filter(({ kind }) => kind === 'audio');
}

function isSame(got: AudioFrame | undefined, sent: Sent | undefined): boolean {
  return got !== undefined && got.size + AAC_TAG_HEADER === sent?.size && got.sum === sent.sum;
}

function judgeAudio(node: string, sent: readonly Sent[], segments: readonly FetchedSegment[]): Judgement {
  const got = segments.flatMap(({ audio }) => audio);
  const expected = `${node}: the audio frames of the publisher, in a row`;
  if (got.length === 0) return inconclusive(expected, 'none');
  const { at, from } = longestRow(sent, got);
  if (at === got.length) return judged(true, expected, `${got.length} frames`);
  const where = segmentAt(segments, at);
  const original = sent[from + at]?.size;
  const other = got[at]!.size + AAC_TAG_HEADER === original ? 'other bytes' : `${got[at]!.size} bytes`;
  return failed(
    expected,
    `${at} of ${got.length} are, then in segment ${where}: ${other} instead of ${(original ?? 0) - AAC_TAG_HEADER} bytes`,
  );
}

/** How many of the first frames are what was sent, one after the other, at the best place. */
function longestRow(sent: readonly Sent[], got: readonly AudioFrame[]): { at: number; from: number } {
  let best = { at: 0, from: 0 };
  for (let from = 0; from < sent.length; from++) {
    let at = 0;
    while (at < got.length && isSame(got[at], sent[from + at])) at++;
    if (at > best.at) best = { at, from };
  }
  return best;
}

function segmentAt(segments: readonly FetchedSegment[], audioFrame: number): number | undefined {
  let count = 0;
  return segments.find(({ audio }) => {
    count += audio.length;
    return audioFrame < count;
  })?.sequence;
}

/** Timestamps of video frames by the number in their stamp. */
function timesOfFrames(history: History, publisher: string): ReadonlyMap<number, number> {
  const times = new Map<number, number>();
  for (const { stamp, timestamp } of videoOf(history.sent(publisher))) {
    if (stamp !== null) times.set(stamp.frame, timestamp);
  }
  return times;
}

/** A server may shift all timestamps alike; where it signals a discontinuity it may shift them anew. */
function judgeTimes(
  node: string,
  sent: ReadonlyMap<number, number>,
  segments: readonly FetchedSegment[],
): Judgement {
  const wrong: string[] = [];
  let shift: number | undefined;
  let looked = 0;
  for (const { sequence, frames, discontinuity } of segments) {
    if (discontinuity) shift = undefined;
    for (const { stamp, timestamp } of frames) {
      const original = stamp === null ? undefined : sent.get(stamp.frame);
      if (original === undefined) continue;
      shift ??= timestamp - original;
      looked++;
      if (Math.abs(timestamp - original - shift) < FRAME_MS / 2) continue;
      wrong.push(
        `segment ${sequence}: frame ${stamp!.frame} at ${timestamp} instead of ${original + shift} ms`,
      );
      break;
    }
  }
  const expected = `${node}: timestamps that go on as the publisher's do`;
  return allOf(expected, looked, wrong, `${looked} frames`);
}

/** How far sound may be from its picture: what viewers accept (ITU-R BT.1359-1, annex 1). */
const SOUND_EARLY_MS = 90;
const SOUND_LATE_MS = 185;

/** Presentation times: of sound, by how much more they are shifted than those of the segment's first picture. */
function judgeSync(
  node: string,
  sentVideo: ReadonlyMap<number, number>,
  sentAudio: readonly Sent[],
  segments: readonly FetchedSegment[],
): Judgement {
  const { at: same, from } = longestRow(
    sentAudio,
    segments.flatMap(({ audio }) => audio),
  );
  const wrong: string[] = [];
  let looked = 0;
  let passed = 0;
  for (const { sequence, frames, audio, shownAt } of segments) {
    const original = sentVideo.get(frames[0]?.stamp?.frame ?? -1);
    const shift = original === undefined ? Number.NaN : shownAt[0]! - original;
    const late = audio.flatMap(({ at }, i) => {
      const sent = passed + i < same ? sentAudio[from + passed + i] : undefined;
      return sent === undefined || Number.isNaN(at + shift) ? [] : [at - sent.timestamp - shift];
    });
    passed += audio.length;
    looked += late.length;
    const worst = late.find((ms) => ms > SOUND_LATE_MS || ms < -SOUND_EARLY_MS);
    if (worst !== undefined)
      wrong.push(`segment ${sequence}: sound ${Math.round(worst)} ms after its picture`);
  }
  const expected = `${node}: sound from ${SOUND_EARLY_MS} ms before to ${SOUND_LATE_MS} ms after its picture`;
  return allOf(expected, looked, wrong, `${looked} audio frames`);
}

/** Apart for media and for tables: servers that begin each segment with a table 0 are many, and players bear it. */
function judgeCounters(node: string, segments: readonly FetchedSegment[]): Judgement[] {
  const wrong: Record<'media' | 'tables', string[]> = { media: [], tables: [] };
  let looked = 0;
  for (const [i, segment] of segments.entries()) {
    const before = segments[i - 1];
    if (before === undefined || segment.discontinuity) continue;
    const tables = segment.tablesFirst ? [...segment.first.keys()].slice(0, 2) : [];
    for (const [pid, last] of before.last) {
      const first = segment.first.get(pid);
      if (first === undefined) continue;
      looked++;
      if (first === ((last + 1) & 0x0f)) continue;
      const what = tables.includes(pid) ? 'tables' : 'media';
      wrong[what].push(`segment ${segment.sequence}, PID ${pid}: ${first} after ${last}`);
    }
  }
  const breaks = segments.filter(({ breaks }) => breaks > 0);
  wrong.media.push(...breaks.map(({ sequence, breaks }) => `segment ${sequence}: ${breaks} breaks within`));
  const seen = `${looked} looked at`;
  return [
    allOf(`${node}: continuity counters of pictures and sound that go on`, looked, wrong.media, seen),
    allOf(`${node}: continuity counters of PAT and PMT that go on`, looked, wrong.tables, seen),
  ];
}

/** Whoever is behind by a window, when the stream is over, can get what is missing no more: it has left the playlist. */
function judgePlayedOn(
  history: History,
  publisher: string,
  played: readonly EventOf<'player.got'>[],
): Judgement[] {
  const last = videoOf(history.sent(publisher)).at(-1)?.stamp?.frame;
  if (last === undefined || history.step('watched-to-end') === undefined) return [];
  const got = played.at(-1)?.stamp?.frame ?? -1;
  if ((last - got) * FRAME_MS < HLS_WINDOW_MS) return [];
  const end = got < 0 ? 'it got nothing' : `nothing after frame ${got}`;
  return [failed('a player that goes on to the end of the stream', `${end}, the last one was ${last}`)];
}

function judgeProblems(history: History): Judgement[] {
  const problems = history
    .of('client.problem')
    .filter(({ client, code }) => client === 'player' && isLoss(code));
  if (problems.length === 0) return [];
  return [
    failed('a player that misses nothing', told(problems.map(({ code, detail }) => `${code}: ${detail}`))),
  ];
}

/** Of the problems that a player tells, those of missing or broken media. */
function isLoss(code: string): boolean {
  return /^(mpegts|hls\.(gap|sequence|segment))/.test(code);
}
