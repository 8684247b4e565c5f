/** What a record of the browser comes to. Pure. */
import { type DistributionFigures, LatencyHistogram } from '../../drivers/measure/histogram.ts';
import { CLOCK_MS, STILL_MS } from './bounds.ts';
import type { BrowserProtocol, BrowserRecord, Picture, Span } from './record.ts';

export interface BrowserFigures {
  /** From the wish to play to the first picture, ms; null when none came. */
  readonly firstPictureMs: number | null;
  /** Pictures that were shown, and those of them whose clock could not be read. */
  readonly shown: number;
  readonly unreadable: number;
  /** Frames that came and were not shown: the browser's own doing. */
  readonly dropped: number;
  /** Frames that are in no picture, though later ones are, and that did not come. */
  readonly missing: number;
  /** Pictures that were shown again, or after newer ones. */
  readonly repeated: number;
  /** The picture stood still for more than STILL_MS, though the page could have drawn; the time until the end counts. */
  readonly stalls: readonly Span[];
  /** Stalled / (played + stalled) time, startup excluded (CTA-2066). */
  readonly stallRatio: number;
  /** From the publishing of a frame to the screen, of frames that were published after the player came. */
  readonly glass: DistributionFigures;
  /** The least of all frames; null when no clock was read. Below zero it is impossible. */
  readonly leastGlassMs: number | null;
  /** The same to the last byte at a driver of ours, which played the same beside. */
  readonly driver: DistributionFigures;
  /** Frames that were on the screen before the driver had them, by the most, ms; null where there is nothing to compare. */
  readonly aheadOfDriverMs: number | null;
}

/** A page that was called late is in time again after so many pictures at the most: half a second of them. */
const LATE_LOOKS = 12;

/** A decoder has filled its queue after so many pictures. */
const BEGUN = 5;
/** Pictures of a second, at either end: how far it is ahead varies by a frame or two. */
const SAMPLE = 25;

/**
 * So many frames in that comparison are none. What WebRTC has received is counted a moment before the picture, and varies
 * with the arrival: seen to be off by one on a busy machine. So one lost frame is not seen there, two are.
 */
const COUNT_NOISE: Readonly<Record<BrowserProtocol, number>> = { flv: 0, hls: 0, webrtc: 1 };

/** A picture and the frame that is in it. */
interface Placed extends Picture {
  readonly frame: number;
}

export function figuresOf(record: BrowserRecord): BrowserFigures {
  const { page, driver, sent } = record;
  const placed = withoutLateLooks(placedPictures(record));
  const steady = placed.filter(({ frame }) => sent[frame]! >= page.startedAt);
  const arrivals = new Map(driver.arrivals.map(({ frame, at }) => [frame, at]));
  const ahead = placed.flatMap(({ frame, shownAt }) => {
    const at = arrivals.get(frame);
    return at === undefined ? [] : [at - shownAt];
  });
  const { skipped, repeated } = continuityOf(placed);
  const missing = Math.min(skipped, lostUnderWay(placed, COUNT_NOISE[record.protocol]) ?? skipped);
  const stalls = stallsOf(record);
  const stalled = stalls.reduce((sum, { from, to }) => sum + (to - from), 0);
  const first = page.pictures[0];
  const played = first === undefined ? 0 : page.endedAt - first.shownAt;
  const glass = placed.map(({ frame, shownAt }) => shownAt - sent[frame]!);
  return {
    firstPictureMs: first === undefined ? null : first.shownAt - page.startedAt,
    shown: page.pictures.at(-1)?.presented ?? 0,
    unreadable: page.pictures.filter(({ number }) => number === null).length,
    dropped: skipped - missing,
    missing,
    repeated,
    stalls,
    stallRatio: played > 0 ? stalled / played : 0,
    glass: distributionOf(steady.map(({ frame, shownAt }) => shownAt - sent[frame]!)),
    leastGlassMs: glass.length === 0 ? null : Math.min(...glass),
    driver: distributionOf(
      driver.arrivals.filter(({ sentAt }) => sentAt >= driver.startedAt).map(({ sentAt, at }) => at - sentAt),
    ),
    aheadOfDriverMs: ahead.length === 0 ? null : Math.max(...ahead),
  };
}

/**
 * The clock counts within one round of what is published; of the frames with that number a picture is the latest that
 * was published when it was shown. So a picture must not be older than a round.
 */
function placedPictures({ page, loop, sent }: BrowserRecord): Placed[] {
  const placed: Placed[] = [];
  for (const picture of page.pictures) {
    const { number, shownAt } = picture;
    if (number === null || number >= loop) continue;
    let frame = number;
    while ((sent[frame + loop] ?? Number.POSITIVE_INFINITY) <= shownAt + CLOCK_MS) frame += loop;
    if (sent[frame] !== undefined) placed.push({ ...picture, frame });
  }
  return placed;
}

/**
 * A page that is called late looks at the picture after the one that it was called for: a frame seems to be missing, and,
 * when the page is in time again, a picture is seen twice. Which frame these pictures were for is not known, so they are
 * taken out: then they are pictures that nobody looked at.
 */
function withoutLateLooks(placed: readonly Placed[]): Placed[] {
  const kept: Placed[] = [];
  for (const picture of placed) {
    if (kept.at(-1)?.frame === picture.frame) {
      // The first picture is painted before there is enough to play, and once more when it is played.
      if (kept.length === 1) continue;
      const late = kept.findLastIndex((one, at) => at > 0 && skippedBetween(kept[at - 1]!, one) > 0);
      if (late >= kept.length - LATE_LOOKS && late > 0) kept.length = late;
    }
    kept.push(picture);
  }
  return kept;
}

/** Frames between those of two pictures for which there is no picture between them, looked at or not. */
function skippedBetween(earlier: Placed, later: Placed): number {
  return later.frame - earlier.frame - (later.presented - earlier.presented);
}

/** Pictures between two that could be read, whether the page looked at them or not, stand for frames between theirs. */
function continuityOf(placed: readonly Placed[]): { skipped: number; repeated: number } {
  let skipped = 0;
  let repeated = 0;
  let newest: Placed | undefined;
  for (const picture of placed) {
    if (newest === undefined || picture.frame > newest.frame) {
      if (newest !== undefined) skipped += Math.max(0, skippedBetween(newest, picture));
      newest = picture;
    } else {
      repeated++;
    }
  }
  return { skipped, repeated };
}

/**
 * How many frames fewer had come at the end than the numbers of the pictures went on: what a browser receives and decodes is
 * ahead of what it shows by the same few frames all the time. Undefined where too little was shown to tell.
 */
function lostUnderWay(placed: readonly Placed[], noise: number): number | undefined {
  if (placed.length < BEGUN + 2 * SAMPLE) return undefined;
  const ahead = placed.map(({ arrived, frame }) => arrived - frame);
  const behind = medianOf(ahead.slice(BEGUN, BEGUN + SAMPLE)) - medianOf(ahead.slice(-SAMPLE));
  return behind > noise ? behind : 0;
}

function medianOf(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!;
}

/** Where the page itself was held up, nobody knows whether there was anything to draw: that time is taken out. */
function stallsOf({ page }: BrowserRecord): Span[] {
  if (page.pictures.length === 0) return [];
  const times = [...page.pictures.map(({ shownAt }) => shownAt), page.endedAt];
  const stalls: Span[] = [];
  for (const [index, to] of times.entries()) {
    const from = times[index - 1];
    if (from === undefined) continue;
    const own = page.heldUp.reduce(
      (sum, span) => sum + Math.max(0, Math.min(span.to, to) - Math.max(span.from, from)),
      0,
    );
    if (to - from - own > STILL_MS) stalls.push({ from, to });
  }
  return stalls;
}

function distributionOf(values: readonly number[]): DistributionFigures {
  const histogram = new LatencyHistogram();
  for (const value of values) histogram.record(value);
  return histogram.toDistribution();
}
