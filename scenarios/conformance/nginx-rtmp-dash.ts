/** DASH as nginx-rtmp writes it. */
import type { Manifest, Representation } from '../../protocols/dash/manifest.ts';
import { parseManifest } from '../../protocols/dash/manifest.ts';
import { expandTimeline, initializationUrl, type TimelineSegment } from '../../protocols/dash/timeline.ts';
import { ProtocolError } from '../../protocols/errors.ts';
import { type CheckContext, check, type Judgement } from '../check.ts';
import type { History, StepData } from '../history.ts';
import { failed, inconclusive, judged, notSeen } from '../judging.ts';
import { FRAME_MS } from '../stage.ts';
import { describeBoxes } from '../wire/boxes.ts';
import { FIRST_SEGMENT_WITHIN_MS, poll } from './nginx-rtmp-watch.ts';

/** So many segments are there at first, and so many more are to come. */
const SEGMENTS = 2;
/** Two segments of a second, and a busy machine. */
const ADVANCED_WITHIN_MS = 6000;
/** Timelines are in milliseconds, frames are not: neighbours may miss each other by one. */
const ROUNDING = 1;
const MANIFEST = 'manifest';

const dashAdvances = check({
  id: 'nginx-rtmp/dash-advances',
  title: 'The DASH manifest is valid, goes on, and every segment that it lists is there',
  level: 'must',
  spec: {
    source: 'ISO/IEC 23009-1; seeds/004',
    where: '5.3.1.2, 5.3.9.6, 5.4; nginx-rtmp.conf, dash on',
    says: 'A dynamic manifest says when it began and when to look again; the segments of its timeline follow on each other, are there, and become more with time.',
  },
  topologies: ['nginx-rtmp'],
  needs: ['publish.rtmp', 'play.dash'],
  mutants: ['nginx-rtmp-dash-off', 'web-keeps-open-files'],
  deadlineMs: 20_000,

  async run(t) {
    const stream = t.stream();
    await t.publish({ url: t.publishUrl(stream) });
    const url = t.cluster.entry('play', 'dash').url('dash', stream);
    t.step('asked', { url });
    const first = await manifestWith(
      t,
      url,
      'first',
      FIRST_SEGMENT_WITHIN_MS,
      (end) => end.segments >= SEGMENTS,
    );
    await fetchAll(t, url, first);
    const { lastTime } = extentOf(first);
    const later = await manifestWith(
      t,
      url,
      'later',
      ADVANCED_WITHIN_MS,
      (end) => end.segmentsAfter(lastTime) >= SEGMENTS,
    );
    await fetchAll(t, url, later);
  },

  judge(history) {
    if (history.step('asked') === undefined) return [notSeen(history, 'a stream that is published')];
    const first = manifestAt(history, 'first');
    const status = history.of('http.exchange').findLast(({ client }) => client === MANIFEST)?.status;
    if (first === undefined && status === undefined) return [notSeen(history, 'a manifest')];
    if (first === undefined) return [failed('a manifest', `HTTP status ${status}`)];
    if (typeof first === 'string') return [failed('a manifest that can be read', first)];
    const valid = [...judgeHead(first), ...representationsOf(first).map(judgeTimeline)];
    const { segments } = extentOf(first);
    const grown = judged(
      segments >= SEGMENTS,
      `${SEGMENTS} segments within ${FIRST_SEGMENT_WITHIN_MS} ms of the publish`,
      `${segments}`,
    );
    if (grown.verdict === 'fail') return [...valid, grown];
    const later = manifestAt(history, 'later');
    const asked = later === undefined || typeof later === 'string' ? [first] : [first, later];
    return [
      ...valid,
      ...asked.slice(1).flatMap((manifest) => representationsOf(manifest).map(judgeTimeline)),
      judgeSegments(history, asked.flatMap(representationsOf)),
      judgeAdvance(first, later),
    ];
  },
});

interface Extent {
  readonly segments: number;
  /** Of the last segment of the representation that is furthest behind. */
  readonly lastTime: number;
  segmentsAfter(time: number): number;
}

function representationsOf({ periods }: Manifest): Representation[] {
  return periods.flatMap(({ adaptationSets }) => adaptationSets.flatMap((set) => set.representations));
}

function extentOf(manifest: Manifest): Extent {
  const timelines = representationsOf(manifest).map((representation) => expandTimeline(representation));
  const least = (counts: number[]) => (counts.length === 0 ? 0 : Math.min(...counts));
  return {
    segments: least(timelines.map(({ length }) => length)),
    lastTime: least(timelines.map((segments) => segments.at(-1)?.time ?? 0)),
    segmentsAfter: (time) =>
      least(timelines.map((segments) => segments.filter((segment) => segment.time > time).length)),
  };
}

/** Records the manifest that fits, or the last one that came, as a step `manifest`. */
async function manifestWith(
  t: CheckContext,
  url: string,
  moment: string,
  withinMs: number,
  fits: (extent: Extent) => boolean,
): Promise<Manifest> {
  let last: string | undefined;
  try {
    return await poll(t, `${moment} manifest`, withinMs, async () => {
      const { status, body } = await t.http(url, { label: MANIFEST });
      if (status !== 200) return undefined;
      last = new TextDecoder().decode(body);
      const manifest = read(last);
      return typeof manifest !== 'string' && fits(extentOf(manifest)) ? manifest : undefined;
    });
  } finally {
    if (last !== undefined) t.step(MANIFEST, { moment, text: last });
  }
}

/** What is wrong with it, when it cannot be read. */
function read(text: string): Manifest | string {
  try {
    return parseManifest(text);
  } catch (error) {
    if (error instanceof ProtocolError) return error.message;
    throw error;
  }
}

function manifestAt(history: History, moment: string): Manifest | string | undefined {
  const step = history.of('step').findLast(({ step, data }) => step === MANIFEST && data.moment === moment);
  return step === undefined ? undefined : read(String(step.data.text));
}

/** Initialization and media segments of every representation; what they are goes into the history as steps `dash`. */
async function fetchAll(t: CheckContext, url: string, manifest: Manifest): Promise<void> {
  for (const representation of representationsOf(manifest)) {
    const { id } = representation;
    const fetchOne = async (uri: string, segment: TimelineSegment | undefined): Promise<void> => {
      const { status, body } = await t.http(new URL(uri, url).href, { label: id });
      const time = segment?.time ?? null;
      t.step('dash', { representation: id, uri, status, time, ...describeBoxes(body) });
    };
    const initialization = initializationUrl(representation);
    if (initialization !== undefined) await fetchOne(initialization, undefined);
    for (const segment of expandTimeline(representation)) await fetchOne(segment.url, segment);
  }
}

function judgeHead(manifest: Manifest): Judgement[] {
  const { type, publishTime, minimumUpdatePeriodMs, minBufferTimeMs, profiles } = manifest;
  const said = { publishTime, minimumUpdatePeriodMs, minBufferTimeMs, profiles: profiles || undefined };
  const unsaid = Object.entries(said).flatMap(([name, value]) => (value === undefined ? [name] : []));
  const kinds = representationsOf(manifest).map(({ mimeType }) => mimeType ?? 'of no type');
  return [
    judged(
      type === 'dynamic' && unsaid.length === 0,
      'a dynamic manifest with publishTime, minimumUpdatePeriod, minBufferTime and profiles',
      `${type}${unsaid.length > 0 ? `, without ${unsaid.join(', ')}` : ''}`,
    ),
    judged(
      ['video/mp4', 'audio/mp4'].every((kind) => kinds.includes(kind)),
      'video/mp4 and audio/mp4',
      kinds.join(', ') || 'no representation',
    ),
  ];
}

function judgeTimeline(representation: Representation): Judgement {
  const expected = `${representation.id}: an initialization, and segments that follow on each other`;
  if (initializationUrl(representation) === undefined) return failed(expected, 'no initialization');
  const segments = expandTimeline(representation);
  const breaks = segments.flatMap(({ time, duration }, i) => {
    const next = segments[i + 1];
    return next !== undefined && Math.abs(time + duration - next.time) > ROUNDING
      ? [`${time} + ${duration}, then ${next.time}`]
      : [];
  });
  return judged(
    breaks.length === 0 && segments.length > 0,
    expected,
    breaks.join('; ') || `${segments.length}`,
  );
}

function judgeSegments(history: History, representations: readonly Representation[]): Judgement {
  const expected = 'every initialization and media segment is there, whole, at its place in time';
  const fetched = history.of('step').filter(({ step }) => step === 'dash');
  if (fetched.length === 0) return inconclusive(expected, 'none was fetched');
  const wrong = fetched.flatMap(({ data }) => flawOf(data) ?? []);
  if (wrong.length > 0) return failed(expected, wrong.slice(0, 3).join('; '));
  const uris = new Set(fetched.map(({ data }) => data.uri));
  const listed = representations.flatMap((representation) => [
    initializationUrl(representation) ?? [],
    ...expandTimeline(representation).map(({ url }) => url),
  ]);
  const unfetched = [...new Set(listed.flat())].filter((uri) => !uris.has(uri));
  if (unfetched.length > 0) return inconclusive(expected, `not fetched: ${unfetched.slice(0, 3).join(', ')}`);
  return judged(true, expected, `${fetched.length} fetched`);
}

function flawOf({ uri, status, boxes, time, decodeTime }: StepData): string | undefined {
  if (status !== 200) return `${uri}: HTTP ${status}`;
  const wanted = time === null ? ['ftyp', 'moov'] : ['moof', 'mdat'];
  const found = String(boxes).split(' ');
  if (found.includes('?') || !wanted.every((box) => found.includes(box))) return `${uri}: boxes ${boxes}`;
  const isThere =
    time === null || (decodeTime !== null && Math.abs(Number(decodeTime) - Number(time)) <= FRAME_MS);
  return isThere ? undefined : `${uri}: its fragment begins at ${decodeTime}`;
}

function judgeAdvance(first: Manifest, later: Manifest | string | undefined): Judgement {
  const { lastTime } = extentOf(first);
  const expected = `${SEGMENTS} segments after ${lastTime} within ${ADVANCED_WITHIN_MS} ms`;
  if (later === undefined) return inconclusive(expected, 'the manifest was not asked for again');
  if (typeof later === 'string') return failed(expected, later);
  const { segmentsAfter, lastTime: end } = extentOf(later);
  return judged(segmentsAfter(lastTime) >= SEGMENTS, expected, `${segmentsAfter(lastTime)}, up to ${end}`);
}

export const DASH_CHECKS = [dashAdvances];
