/** The ladder that ffmpeg makes of a stream, as HLS. */
import { LADDER, type Rung, SOURCE_RUNG } from '../../lab/render/ladder.ts';
import { SHOW_APP } from '../../lab/render/nginx-rtmp.ts';
import type { MasterPlaylist } from '../../protocols/hls/playlist.ts';
import { HLS_FRAGMENT_MS, PLAYING_WITHIN_MS } from '../bounds.ts';
import { check, type Judgement } from '../check.ts';
import type { EventOf, History } from '../history.ts';
import { failed, inconclusive, judged, notSeen, videoOf } from '../judging.ts';
import { FRAME_MS, GOP_FRAMES } from '../stage.ts';
import { masterPlaylist, mediaPlaylist } from './hls-history.ts';
import { lossOf } from './masters-and-slaves.ts';
import { FIRST_SEGMENT_WITHIN_MS, poll, watchLadder, watchRung } from './nginx-rtmp-watch.ts';

const TOPOLOGIES = ['nginx-rtmp'] as const;
const SEED = 'HLS live and VOD on Kubernetes (seeds/004)';
const SUFFIXES = LADDER.map(({ suffix }) => suffix);
/** Every wait inside is bounded by less; a rung that never comes is waited for to the end of it. */
const DEADLINE_MS = 25_000;
const MASTER = 'master';
const GOP_MS = GOP_FRAMES * FRAME_MS;

// ladder-complete

/** The first has the encoder's full buffer in it, and the most bits. */
const MEASURED_SEGMENTS = 2;

const ladderComplete = check({
  id: 'nginx-rtmp/ladder-complete',
  title: 'Every rung is made, and the master playlist declares what it takes',
  level: 'must',
  spec: {
    source: `${SEED}; RFC 8216`,
    where: 'nginx-rtmp.conf, exec_push and hls_variant; 4.3.4.2',
    says: 'low, mid, high, hd720 and src of every stream are in its master playlist, each is made with its width, the shape of the source and sound, in segments of a fragment rounded up to a GOP, and BANDWIDTH is at least the peak bit rate of its segments.',
  },
  topologies: TOPOLOGIES,
  needs: ['publish.rtmp', 'play.hls'],
  mutants: [
    'nginx-rtmp-no-hd720',
    'nginx-rtmp-wrong-bandwidth',
    'nginx-rtmp-silent-rung',
    'nginx-rtmp-wrong-aspect',
    'nginx-rtmp-long-fragments',
  ],
  deadlineMs: DEADLINE_MS,

  async run(t) {
    const stream = t.stream();
    await t.publish({ url: t.publishUrl(stream) });
    t.step('stream', { stream });
    const url = t.playUrl('hls', stream);
    await poll(t, 'the master playlist', FIRST_SEGMENT_WITHIN_MS, async () =>
      (await t.http(url, { label: MASTER })).status === 200 ? true : undefined,
    );
    await watchLadder(t, stream, MEASURED_SEGMENTS);
  },

  judge(history) {
    const stream = history.step('stream')?.stream;
    if (stream === undefined) return [notSeen(history, 'a stream that is published')];
    const text = history.of('hls.playlist').findLast(({ client }) => client === MASTER)?.text;
    const isAsked = history.of('http.exchange').some(({ client }) => client === MASTER);
    if (text === undefined && !isAsked) return [notSeen(history, 'a master playlist')];
    if (text === undefined) return [failed('a master playlist', statusesOf(history, MASTER))];
    const master = masterPlaylist(text);
    if (master === undefined) return [failed('a master playlist', `this: ${text.slice(0, 200)}`)];
    const listed = master.variants.map(({ uri }) => uri).sort();
    const expected = SUFFIXES.map((suffix) => `${stream}_${suffix}.m3u8`).sort();
    const isListed = judged(
      listed.join() === expected.join(),
      `the master playlist lists ${expected.join(', ')}`,
      listed.join(', '),
    );
    return [isListed, ...LADDER.flatMap((rung) => judgeRung(history, master, String(stream), rung))];
  },
});

function judgeRung(history: History, master: MasterPlaylist, stream: string, rung: Rung): Judgement[] {
  const { suffix } = rung;
  const made = judgeMade(history, rung);
  const variant = master.variants.find(({ uri }) => uri === `${stream}_${suffix}.m3u8`);
  if (made.verdict !== 'pass' || variant === undefined) return [made];
  const peak = peakOf(history, suffix);
  const rate = `${suffix}: segments of at most the ${variant.bandwidth} bit/s that are declared`;
  const enough =
    peak === undefined
      ? inconclusive(rate, 'no segment was measured')
      : judged(peak <= variant.bandwidth, rate, `a segment of ${Math.round(peak)} bit/s`);
  const declared = judged(
    variant.bandwidth === rung.bandwidth,
    `${suffix}: BANDWIDTH=${rung.bandwidth}, as it is encoded`,
    String(variant.bandwidth),
  );
  return [
    made,
    judgeShape(history, rung),
    judgeSound(history, suffix),
    judgeLength(history, suffix),
    enough,
    declared,
  ];
}

function judgeMade(history: History, { suffix, encoded }: Rung): Judgement {
  const expected = `${suffix}: ${MEASURED_SEGMENTS} segments${encoded ? ` of pictures ${encoded.width} wide` : ''}`;
  const seen = history.of('step').find(({ step, data }) => step === 'rung' && data.rung === suffix)?.data;
  const video = videoOf(history.got(suffix));
  const frames = video.length;
  const segments = new Set(video.map(({ segment }) => segment)).size;
  const problem = history.of('client.problem').find(({ client }) => client === suffix);
  if (problem) return failed(expected, `${problem.code}: ${problem.detail}`);
  if (seen === undefined || frames === 0) {
    return failed(expected, `${frames} frames; its playlist: ${statusesOf(history, suffix)}`);
  }
  const told = statusesOf(history, suffix);
  if (segments < MEASURED_SEGMENTS)
    return failed(expected, `${frames} frames of ${segments} segments; ${told}`);
  return judged(
    encoded === undefined || seen.width === encoded.width,
    expected,
    `${frames} frames, ${seen.width} wide`,
  );
}

function sizeOfRung(history: History, suffix: string): { width: number; height: number } {
  const seen = history.of('step').find(({ step, data }) => step === 'rung' && data.rung === suffix)?.data;
  return { width: Number(seen?.width ?? 0), height: Number(seen?.height ?? 0) };
}

/** H.264 in 4:2:0 has an even number of lines. */
const EVEN = 2;

function judgeShape(history: History, { suffix }: Rung): Judgement {
  const source = sizeOfRung(history, SOURCE_RUNG);
  const { width, height } = sizeOfRung(history, suffix);
  const expected = `${suffix}: pictures of the same shape as those of ${SOURCE_RUNG}`;
  const actual = `${width}x${height} of ${source.width}x${source.height}`;
  if (source.width === 0 || width === 0) return inconclusive(expected, actual);
  return judged(Math.abs(height - (width * source.height) / source.width) <= EVEN, expected, actual);
}

function judgeSound(history: History, suffix: string): Judgement {
  const frames = history.got(suffix).filter(({ kind }) => kind === 'audio').length;
  return judged(frames > 0, `${suffix}: sound`, `${frames} PES packets of audio`);
}

function judgeLength(history: History, suffix: string): Judgement {
  const boundMs = Math.ceil(HLS_FRAGMENT_MS / GOP_MS) * GOP_MS + FRAME_MS;
  const expected = `${suffix}: segments of at most ${boundMs} ms`;
  const seconds = [...durationsOf(history, suffix).values()];
  if (seconds.length === 0) return inconclusive(expected, 'no length is known');
  const longest = Math.max(...seconds) * 1000;
  return judged(longest <= boundMs, expected, `one of ${Math.round(longest)} ms`);
}

/** bit/s of the segment with the most. */
function peakOf(history: History, suffix: string): number | undefined {
  const durations = durationsOf(history, suffix);
  const rates = history
    .of('http.exchange')
    .filter(({ client, kind, status }) => client === suffix && kind === 'segment' && status === 200)
    .map(({ url, bytes }) => (bytes * 8) / (durations.get(url) ?? 0))
    .filter(Number.isFinite);
  return rates.length === 0 ? undefined : Math.max(...rates);
}

/** Seconds, by the URL of the segment. */
function durationsOf(history: History, suffix: string): ReadonlyMap<string, number> {
  const durations = new Map<string, number>();
  for (const { client, url, text } of history.of('hls.playlist')) {
    if (client !== suffix) continue;
    for (const { uri, duration } of mediaPlaylist(text)?.segments ?? []) {
      durations.set(new URL(uri, url).href, duration);
    }
  }
  return durations;
}

/** `404 60 times, 200 once`: what a client was answered. */
function statusesOf(history: History, label: string): string {
  const counts = new Map<string, number>();
  for (const { client, status, error } of history.of('http.exchange')) {
    if (client !== label) continue;
    const answer = error ?? `HTTP ${status}`;
    counts.set(answer, (counts.get(answer) ?? 0) + 1);
  }
  return [...counts].map(([answer, count]) => `${answer} (${count})`).join(', ') || 'never asked for';
}

// variants-aligned

const ALIGNED_SEGMENTS = 3;

const variantsAligned = check({
  id: 'nginx-rtmp/variants-aligned',
  title: 'All rungs are cut at the same keyframes',
  level: 'must',
  spec: {
    source: 'RFC 8216; HLS Authoring Specification',
    where: '6.2.4; 7 (aligned segment boundaries)',
    says: 'Matching content in variant streams has matching timestamps, and segment boundaries are at the same places, so that a player can go from one to another at a boundary.',
  },
  topologies: TOPOLOGIES,
  needs: ['publish.rtmp', 'play.hls'],
  mutants: ['nginx-rtmp-unaligned-gops'],
  deadlineMs: DEADLINE_MS,

  async run(t) {
    const stream = t.stream();
    await t.publish({ url: t.publishUrl(stream) });
    await watchLadder(t, stream, ALIGNED_SEGMENTS);
  },

  judge(history) {
    const source = boundariesOf(history, SOURCE_RUNG);
    if (source.length < 2) return [notSeen(history, `two segments of ${SOURCE_RUNG}`)];
    return SUFFIXES.filter((suffix) => suffix !== SOURCE_RUNG).map((suffix) =>
      judgeAligned(suffix, source, boundariesOf(history, suffix)),
    );
  },
});

type Picture = EventOf<'player.got'>;

/** The first picture of every segment. */
function boundariesOf(history: History, suffix: string): Picture[] {
  const video = videoOf(history.got(suffix));
  return video.filter((item, i) => i === 0 || item.segment !== video[i - 1]!.segment);
}

/** Only where both have been seen: a rung may have come up later than another, and its last segment is under way. */
function judgeAligned(suffix: string, source: readonly Picture[], rung: readonly Picture[]): Judgement {
  const expected = `${suffix}: a keyframe at the beginning of each segment, within ${FRAME_MS} ms of one of ${SOURCE_RUNG}`;
  const from = Math.max(source[0]!.timestamp, rung[0]?.timestamp ?? Number.POSITIVE_INFINITY) - FRAME_MS;
  const to = Math.min(source.at(-1)!.timestamp, rung.at(-1)?.timestamp ?? 0) + FRAME_MS;
  const inRange = ({ timestamp }: Picture) => timestamp >= from && timestamp <= to;
  const [theirs, ours] = [source.filter(inRange), rung.filter(inRange)];
  if (theirs.length < 2 && ours.length < 2) {
    return inconclusive(expected, `${theirs.length} and ${ours.length} boundaries in common time`);
  }
  for (const [name, pictures] of Object.entries({ [suffix]: ours, [SOURCE_RUNG]: theirs })) {
    const open = pictures.find(({ key }) => !key);
    if (open)
      return failed(expected, `${name}: a segment that begins at ${open.timestamp} ms without a keyframe`);
  }
  const strays = [...straysOf(ours, theirs), ...straysOf(theirs, ours)];
  return judged(
    strays.length === 0,
    expected,
    `${SOURCE_RUNG} at ${timesOf(theirs)}; ${suffix} at ${timesOf(ours)} ms`,
  );
}

/** Pictures that have no counterpart: none at the same time, or another frame by their stamps. */
function straysOf(pictures: readonly Picture[], others: readonly Picture[]): Picture[] {
  return pictures.filter(
    (picture) =>
      !others.some(
        (other) =>
          Math.abs(other.timestamp - picture.timestamp) <= FRAME_MS &&
          (picture.stamp === null ||
            other.stamp === null ||
            Math.abs(other.stamp.frame - picture.stamp.frame) <= 1),
      ),
  );
}

function timesOf(pictures: readonly Picture[]): string {
  return pictures.map(({ timestamp }) => timestamp).join(', ') || 'no time';
}

// hls-latency-known

const TIMED_SEGMENTS = 2;

const hlsLatencyKnown = check({
  id: 'nginx-rtmp/hls-latency-known',
  title: 'The age of every frame is known in every rung',
  level: 'must',
  spec: {
    source: `${SEED}; FFmpeg codecs`,
    where: 'nginx-rtmp.conf, exec_push; libx264, udu_sei',
    says: 'A frame that is copied keeps its stamp, checksum and all; one that is encoded anew keeps number and clock, since the encoder passes unregistered SEI on.',
  },
  topologies: TOPOLOGIES,
  needs: ['publish.rtmp', 'play.hls'],
  mutants: ['nginx-rtmp-no-udu-sei'],
  deadlineMs: DEADLINE_MS,

  async run(t) {
    const stream = t.stream();
    const publisher = await t.publish({ url: t.publishUrl(stream) });
    t.step('publisher', { publisher: publisher.label });
    await watchLadder(t, stream, TIMED_SEGMENTS);
  },

  judge(history) {
    const publisher = history.step('publisher')?.publisher;
    if (publisher === undefined) return [notSeen(history, 'a publisher')];
    const sent = new Map(
      history.sent(String(publisher)).flatMap(({ stamp }) => (stamp ? [[stamp.frame, stamp] as const] : [])),
    );
    return SUFFIXES.map((suffix) => judgeStamps(suffix, videoOf(history.got(suffix)), sent));
  },
});

function judgeStamps(
  suffix: string,
  got: readonly Picture[],
  sent: ReadonlyMap<number, NonNullable<Picture['stamp']>>,
): Judgement {
  const copied = suffix === SOURCE_RUNG;
  const expected = `${suffix}: every frame with its number and clock${copied ? ', and its checksum' : ''}`;
  if (got.length === 0) return inconclusive(expected, 'no frame was seen');
  const bare = got.filter(({ stamp }) => stamp === null);
  if (bare.length > 0) {
    return failed(expected, `unsupported: ${bare.length} of ${got.length} frames have no stamp`);
  }
  const foreign = got.find(({ stamp }) => {
    const original = sent.get(stamp!.frame);
    return original?.stream !== stamp!.stream || original.sentAt !== stamp!.sentAt;
  });
  if (foreign)
    return failed(expected, `frame ${foreign.stamp!.frame} with another clock than it was sent with`);
  const damaged = copied ? got.find(({ stamp }) => !stamp!.intact) : undefined;
  if (damaged) return failed(expected, `frame ${damaged.stamp!.frame} is not what was sent`);
  if (got.length < GOP_FRAMES) return inconclusive(expected, `${got.length} frames were seen`);
  const ages = got.map(({ t, stamp }) => t - stamp!.sentAt);
  const [least, most] = [Math.min(...ages), Math.max(...ages)].map((ms) => (ms / 1000).toFixed(2));
  const basis = copied ? 'exact' : 'encoded anew, by number and clock';
  return judged(true, expected, `${got.length} frames, ${least} to ${most} s old when they came (${basis})`);
}

// play-denied

const DENIED_WITHIN_MS = 2000;

const playDenied = check({
  id: 'nginx-rtmp/play-denied',
  title: 'The ladder cannot be played over RTMP',
  level: 'must',
  spec: {
    source: SEED,
    where: 'nginx-rtmp.conf, application show: deny play all',
    says: 'Who plays a stream of application show over RTMP gets none of it and is turned away; application live is not concerned.',
  },
  topologies: TOPOLOGIES,
  needs: ['publish.rtmp', 'play.rtmp', 'play.hls'],
  mutants: ['nginx-rtmp-play-allowed'],
  deadlineMs: DEADLINE_MS,

  async run(t) {
    const stream = t.stream();
    await t.publish({ url: t.publishUrl(stream) });
    const allowed = t.play(t.playUrl('rtmp', stream), 'allowed');
    await allowed.playing(PLAYING_WITHIN_MS);
    // The rung is there: it has a segment.
    await watchRung(t, stream, SOURCE_RUNG, 1);
    const url = t.cluster.entry('publish', 'rtmp').url(SHOW_APP, `${stream}_${SOURCE_RUNG}`);
    const denied = t.play(url, 'denied');
    t.step('denied', { player: denied.label, allowed: allowed.label });
    await denied.closed(DENIED_WITHIN_MS);
  },

  judge(history) {
    const setting = history.step('denied');
    if (setting === undefined) return [notSeen(history, 'a player of a rung that is there')];
    return [
      judgeDenied(history, String(setting.player)),
      judgeAllowed(history, String(setting.allowed)),
      ...(videoOf(history.got(SOURCE_RUNG)).length > 0 ? [] : [notSeen(history, 'a rung that is there')]),
    ];
  },
});

function judgeDenied(history: History, player: string): Judgement {
  const expected = `${player}: turned away without a byte of media`;
  // RTMP servers send |RtmpSampleAccess before everything else; it is not of the stream.
  const got = history.got(player).filter(({ kind }) => kind !== 'script');
  if (got.length > 0) return failed(expected, `${got.length} items, ${videoOf(got).length} of them frames`);
  const closed = lossOf(history, player);
  if (closed === undefined) {
    return failed(expected, `no media, but not turned away within ${DENIED_WITHIN_MS} ms`);
  }
  const actual = `${closed.reason} while ${closed.during}: ${closed.code}`;
  return judged(['remote', 'rejected', 'reset'].includes(closed.reason), expected, actual);
}

function judgeAllowed(history: History, player: string): Judgement {
  const expected = `${player}: plays in application live, and stays`;
  const loss = lossOf(history, player);
  if (loss) return failed(expected, `closed: ${loss.reason} while ${loss.during}, ${loss.code}`);
  const frames = videoOf(history.got(player)).length;
  return judged(frames > 0, expected, `${frames} frames`);
}

export const LADDER_CHECKS = [ladderComplete, variantsAligned, hlsLatencyKnown, playDenied];
