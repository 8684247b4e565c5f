/** What the playlists of a live stream say, one after the other. */
import { lintPlaylist } from '../../protocols/hls/lint.ts';
import { lintReload } from '../../protocols/hls/lint-reload.ts';
import {
  HLS_AVAILABLE_MS,
  HLS_LISTED_MS,
  HLS_UPDATE_TARGETS,
  HLS_WINDOW_MS,
  MERGED_WRITE_MS,
} from '../bounds.ts';
import { type Check, check, type Judgement } from '../check.ts';
import type { History } from '../history.ts';
import { judged, notSeen, unlessOurs } from '../judging.ts';
import { FRAME_MS } from '../stage.ts';
import {
  allOf,
  directOf,
  firstSentAt,
  forWatched,
  type Loaded,
  loadedBy,
  segmentsOf,
  stepAt,
  versionsOf,
  watchedOf,
} from './hls-history.ts';
import { HLS_DEADLINE_MS, observeStream } from './hls-observation.ts';
import { durationMs, HLS_POLL_MS } from './hls-watch.ts';

export const RFC = 'RFC 8216 HTTP Live Streaming';
export const BOTH_CLUSTERS = ['edge-cluster', 'forward-cluster'] as const;
export const HLS_NEEDS = ['publish.rtmp', 'play.hls'] as const;

// playlist-grammar

const playlistGrammar = check({
  id: 'hls/playlist-grammar',
  title: 'Every playlist is one by the grammar',
  level: 'must',
  spec: {
    source: RFC,
    where: '4.1, 4.2, 4.3 (each violation names its own section)',
    says: 'A playlist is UTF-8 lines that begin with #EXTM3U; a media playlist has EXT-X-TARGETDURATION, an EXTINF with a comma before every URI, and tags only where and as often as they may come.',
  },
  topologies: BOTH_CLUSTERS,
  needs: HLS_NEEDS,
  mutants: ['hls-bad-grammar'],
  deadlineMs: HLS_DEADLINE_MS,
  run: observeStream,

  judge(history) {
    const nodes = watchedOf(history);
    if (nodes.length === 0) return [notSeen(history, 'playlists')];
    return nodes.map((node) => judgeGrammar(history, node));
  },
});

function judgeGrammar(history: History, node: string): Judgement {
  const texts = new Set<string>();
  for (const { client, text } of history.of('hls.playlist')) if (client === node) texts.add(text);
  const wrong = new Map<string, string>();
  for (const text of texts) {
    for (const { line, rule, level, says, section } of lintPlaylist(text)) {
      if (level === 'must' && !wrong.has(rule)) wrong.set(rule, `line ${line}: ${says} (${section})`);
    }
  }
  const answers = history
    .of('http.exchange')
    .filter(
      ({ client, kind, status, error }) => client === node && kind === 'playlist' && status === 200 && !error,
    );
  const playlists = history.of('hls.playlist').filter(({ client }) => client === node);
  if (answers.length > playlists.length) {
    wrong.set(
      'signature',
      `${answers.length - playlists.length} answers do not begin with #EXTM3U (4.3.1.1)`,
    );
  }
  return allOf(
    `${node}: playlists by the grammar`,
    texts.size,
    [...wrong.values()],
    `${texts.size} playlists`,
  );
}

// media-sequence-monotonic

/** Rules of protocols/hls/lint-reload.ts that other checks are about. */
const OTHERS_RULES = new Set(['window-short', 'target-duration-changed']);

const mediaSequenceMonotonic = check({
  id: 'hls/media-sequence-monotonic',
  title: 'A segment keeps its media sequence number, and numbers only grow',
  level: 'must',
  spec: {
    source: RFC,
    where: '3, 4.3.3.2, 6.2.1, 6.2.2',
    says: 'The number of a segment is one more than that of the segment before it; EXT-X-MEDIA-SEQUENCE grows by one for every segment that is removed and never decreases; only the end of a playlist grows and only its beginning goes.',
  },
  topologies: BOTH_CLUSTERS,
  needs: HLS_NEEDS,
  mutants: ['hls-sequence-resets', 'hls-sequence-jumps'],
  deadlineMs: HLS_DEADLINE_MS,
  run: observeStream,
  judge: (history) =>
    forWatched(history, watchedOf(history), (node, loaded) => [judgeSequence(node, versionsOf(loaded))]),
});

export function judgeSequence(node: string, versions: readonly Loaded[]): Judgement {
  const wrong: string[] = [];
  for (const [i, { playlist }] of versions.entries()) {
    const previous = versions[i - 1]?.playlist;
    if (previous === undefined) continue;
    for (const { rule, says } of lintReload(previous, playlist))
      if (!OTHERS_RULES.has(rule)) wrong.push(says);
    const known = new Set(previous.segments.map(({ uri }) => uri));
    const added = playlist.segments.filter(({ uri }) => !known.has(uri)).length;
    const last = previous.segments.at(-1)?.sequence;
    const grown = (playlist.segments.at(-1)?.sequence ?? 0) - (last ?? 0);
    if (last === undefined || grown === added || grown < 0) continue;
    // Where nothing of the old playlist is left, some may have come and gone between two looks.
    if (added === playlist.segments.length) continue;
    wrong.push(`${added} segments came, and the last number went from ${last} to ${last + grown}`);
  }
  return allOf(
    `${node}: numbers that go on by one`,
    versions.length - 1,
    wrong,
    `${versions.length} versions of the playlist`,
  );
}

// target-duration

const targetDuration = check({
  id: 'hls/target-duration',
  title: 'No segment is longer than the target duration, which never changes',
  level: 'must',
  spec: {
    source: RFC,
    where: '4.3.3.1, 6.2.1',
    says: 'The EXTINF duration of every segment, rounded to whole seconds, is at most the target duration; so is what is in the segment; EXT-X-TARGETDURATION does not change.',
  },
  topologies: BOTH_CLUSTERS,
  needs: HLS_NEEDS,
  mutants: ['hls-target-too-small'],
  deadlineMs: HLS_DEADLINE_MS,
  run: observeStream,
  judge: (history) =>
    forWatched(history, watchedOf(history), (node, loaded) => [
      judgeTarget(history, node, versionsOf(loaded)),
    ]),
});

function judgeTarget(history: History, node: string, versions: readonly Loaded[]): Judgement {
  const wrong = new Set<string>();
  const listed = versions.reduce((sum, { playlist }) => sum + playlist.segments.length, 0);
  const targets = new Set(versions.map(({ playlist }) => playlist.targetDuration));
  if (targets.size > 1) wrong.add(`it changed: ${[...targets].join(', ')}`);
  for (const { playlist } of versions) {
    for (const { sequence, duration } of playlist.segments) {
      if (Math.round(duration) <= playlist.targetDuration) continue;
      wrong.add(`segment ${sequence} of ${duration} s with a target of ${playlist.targetDuration} s`);
    }
  }
  const lowest = Math.min(...targets);
  for (const { sequence, frames } of segmentsOf(history, node)) {
    const seconds = spanMs(frames) / 1000;
    if (Math.round(seconds) <= lowest) continue;
    wrong.add(`segment ${sequence} has ${seconds} s of pictures, the target is ${lowest} s`);
  }
  return allOf(`${node}: a target that holds`, listed, [...wrong], `${[...targets].join(', ')} s`);
}

/** From the first picture to the end of the last one. */
export function spanMs(frames: readonly { readonly timestamp: number }[]): number {
  const first = frames[0];
  return first === undefined ? 0 : frames.at(-1)!.timestamp - first.timestamp + FRAME_MS;
}

// window

/** EXTINF has milliseconds; a playlist of ten segments is off by so much at the most. */
const ROUNDING_MS = 10;

const playlistWindow = check({
  id: 'hls/window',
  title: 'The playlist keeps its window, and what left it is there for a while',
  level: 'must',
  spec: {
    source: RFC,
    where: '6.2.2; SRS: facts/srs.md 6.2 (hls_window)',
    says: 'The playlist keeps the shortest tail that is longer than the window, and three target durations at the least. What it lists is there; what left it stays for its own duration and that of the longest playlist that listed it.',
  },
  topologies: BOTH_CLUSTERS,
  needs: HLS_NEEDS,
  mutants: ['hls-window-too-short', 'hls-window-grows', 'hls-segments-deleted-early'],
  deadlineMs: HLS_DEADLINE_MS,
  run: observeStream,
  judge: (history) =>
    forWatched(history, directOf(history), (node, loaded) => [
      judgeWindow(node, versionsOf(loaded)),
      judgeKept(history, node),
    ]),
});

function judgeWindow(node: string, versions: readonly Loaded[]): Judgement {
  const wrong: string[] = [];
  const start = versions[0]!.playlist.mediaSequence;
  let slid = 0;
  for (const { playlist } of versions) {
    const total = Math.round(durationMs(playlist));
    const longest = Math.max(0, ...playlist.segments.map(({ duration }) => duration * 1000));
    const name = `${total} ms from segment ${playlist.mediaSequence} on`;
    if (total > HLS_WINDOW_MS + longest + ROUNDING_MS) wrong.push(`${name}: longer than it need be`);
    if (playlist.mediaSequence <= start) continue;
    slid++;
    if (total <= HLS_WINDOW_MS - ROUNDING_MS) wrong.push(`${name}: shorter than the window`);
    if (total < playlist.targetDuration * 3000) wrong.push(`${name}: below three target durations`);
  }
  return allOf(
    `${node}: a window of more than ${HLS_WINDOW_MS} ms, by one segment at the most`,
    slid,
    wrong,
    `${slid} playlists with something removed`,
  );
}

function judgeKept(history: History, node: string): Judgement {
  const of = (step: string) =>
    history.of('step').filter((event) => event.step === step && event.data.client === node);
  const oldest = of('oldest');
  const late = of('late').filter(({ data }) => Number(data.afterMs) < Number(data.keptMs));
  const wrong = [
    ...oldest
      .filter(({ data }) => data.status !== 200)
      .map(({ data }) => `segment ${data.sequence} is listed and answered with ${data.status}`),
    ...late
      .filter(({ data }) => data.status !== 200)
      .map(({ data }) => {
        const after = Math.round(Number(data.afterMs));
        return `segment ${data.sequence}: ${data.status} ${after} ms after it was listed, to be kept ${data.keptMs} ms`;
      }),
  ];
  const seen = `${oldest.length} that were listed, ${late.length} that had left`;
  return allOf(`${node}: segments that are there`, oldest.length && late.length, wrong, seen);
}

// availability

/** How exactly a change is seen. */
const LOOK_MS = 2 * HLS_POLL_MS;

const availability = check({
  id: 'hls/availability',
  title: 'The playlist comes with the first segment, and every further one in time',
  level: 'must',
  spec: {
    source: RFC,
    where: '6.2.1; SRS: facts/srs.md 6.2 (first play: a fragment rounded up to GOPs)',
    says: 'The first playlist is there when the first segment is complete; each next version comes no later than one and a half target durations after the one before it.',
  },
  topologies: ['edge-cluster'],
  needs: HLS_NEEDS,
  mutants: ['hls-late-playlist', 'hls-playlist-stale'],
  deadlineMs: HLS_DEADLINE_MS,
  run: observeStream,

  judge(history) {
    const setting = history.step('published');
    const from = setting && firstSentAt(history, String(setting.publisher));
    if (from === undefined) return [notSeen(history, 'a publisher')];
    const until = stepAt(history, 'unpublished') ?? stepAt(history, 'watched-to-end') ?? from;
    return forWatched(history, directOf(history), (node, loaded) => [
      judgeFirstPlaylist(history, node, from),
      judgeUpdates(history, node, versionsOf(loaded), until),
    ]);
  },
});

function judgeFirstPlaylist(history: History, node: string, from: number): Judgement {
  const bound = HLS_AVAILABLE_MS + LOOK_MS;
  const first = loadedBy(history, node).find(({ playlist }) => playlist.segments.length > 0);
  const expected = `${node}: a segment is listed within ${bound} ms of the first frame`;
  if (first === undefined) return judged(false, expected, 'no playlist lists any');
  const tookMs = Math.round(first.t - from);
  return unlessOurs(history, judged(tookMs <= bound, expected, `${tookMs} ms`), HLS_LISTED_MS);
}

function judgeUpdates(history: History, node: string, versions: readonly Loaded[], until: number): Judgement {
  const wrong: string[] = [];
  let longest = 0;
  let looked = 0;
  for (const [i, { t, playlist }] of versions.entries()) {
    const bound = playlist.targetDuration * 1000 * HLS_UPDATE_TARGETS + LOOK_MS + MERGED_WRITE_MS;
    if (t > until) continue;
    // One that comes when the publisher has left was owed before, if that is long enough ago.
    const next = Math.min(versions[i + 1]?.t ?? until, until);
    looked++;
    longest = Math.max(longest, next - t);
    if (next - t > bound)
      wrong.push(`${Math.round(next - t)} ms after segment ${playlist.segments.at(-1)?.sequence}`);
  }
  const expected = `${node}: a new version within ${HLS_UPDATE_TARGETS} target durations of the one before`;
  const judgement = allOf(
    expected,
    looked,
    wrong,
    `${looked} versions, the longest gap ${Math.round(longest)} ms`,
  );
  return unlessOurs(history, judgement, HLS_LISTED_MS);
}

export const HLS_PLAYLIST_CHECKS: readonly Check[] = [
  playlistGrammar,
  mediaSequenceMonotonic,
  targetDuration,
  playlistWindow,
  availability,
];
