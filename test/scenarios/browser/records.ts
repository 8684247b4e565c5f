/** Records of a browser, made by hand: 25 frames a second, each shown a second after it was published. */
import type { Arrival, BrowserRecord, Picture } from '../../../scenarios/browser/record.ts';

export const FRAME_MS = 40;
export const LOOP = 500;
/** The player comes when so many frames were published. */
export const BEFORE = 50;
const STARTED = 1_000_000 + BEFORE * FRAME_MS;
const GLASS_MS = 1000;
const DRIVER_MS = 200;
/** A decoder is ahead of the screen by so many frames. */
const AHEAD = 4;

export interface Script {
  /** Numbers of the frames that are shown, in this order. Default 8 s from the last keyframe before the player on. */
  readonly frames?: readonly number[];
  /** Those among them that never came to the browser: what is shown of them is left out. */
  readonly lost?: readonly number[];
  /** Those that came and were not shown. */
  readonly skipped?: readonly number[];
  readonly glassMs?: number;
  readonly change?: (record: BrowserRecord) => BrowserRecord;
}

export const FRAMES: readonly number[] = Array.from({ length: 200 }, (_, index) => BEFORE + index);

export function sentAt(frame: number): number {
  return 1_000_000 + frame * FRAME_MS;
}

export function recordOf(script: Script = {}): BrowserRecord {
  const { frames = FRAMES, lost = [], skipped = [], glassMs = GLASS_MS, change = (same) => same } = script;
  const pictures: Picture[] = [];
  let arrived = AHEAD;
  for (const frame of frames) {
    if (lost.includes(frame)) continue;
    arrived++;
    if (skipped.includes(frame)) continue;
    pictures.push({
      number: frame % LOOP,
      shownAt: sentAt(frame) + glassMs,
      presented: pictures.length + 1,
      arrived,
    });
  }
  const arrivals: Arrival[] = frames.map((frame) => ({
    frame,
    sentAt: sentAt(frame),
    at: sentAt(frame) + DRIVER_MS,
  }));
  return change({
    protocol: 'flv',
    url: 'http://127.1.0.1:8080/live/s.flv',
    loop: LOOP,
    sent: Array.from({ length: 2 * LOOP }, (_, frame) => sentAt(frame)),
    page: {
      origin: 'http://127.0.0.1:40000',
      startedAt: STARTED,
      endedAt: (pictures.at(-1)?.shownAt ?? STARTED) + FRAME_MS,
      pictures,
      size: { width: 640, height: 360 },
      waits: [],
      heldUp: [],
      hidden: false,
      complaints: [],
      rtc: null,
    },
    driver: { startedAt: STARTED, arrivals, closed: null },
    clockAhead: { from: -0.5, to: 0.5 },
    console: [],
    targetMs: 0,
    loopLagMs: 5,
  });
}

/** The same with another page. */
export function withPage(page: Partial<BrowserRecord['page']>): NonNullable<Script['change']> {
  return (record) => ({ ...record, page: { ...record.page, ...page } });
}
