/** What the checks of nginx-rtmp look at: rungs of the ladder as HLS, and the statistics page. */
import { setTimeout as delay } from 'node:timers/promises';
import { wallClock } from '../../drivers/measure/clock.ts';
import { MediaRecorder } from '../../drivers/measure/recorder.ts';
import { readRtmpStat, type StatStream } from '../../lab/nginx-stat.ts';
import { LADDER } from '../../lab/render/ladder.ts';
import { LIVE_APP } from '../../lab/render/nginx-rtmp.ts';
import { ProtocolError } from '../../protocols/errors.ts';
import { splitAnnexB } from '../../protocols/h264/annexb.ts';
import { NalType, nalType } from '../../protocols/h264/nal.ts';
import { parseSps } from '../../protocols/h264/parameter-sets.ts';
import type { MediaSegment } from '../../protocols/hls/playlist.ts';
import { type MediaLayout, type MediaSink, MediaType } from '../../protocols/media.ts';
import { TsMediaReader } from '../../protocols/mpegts/media.ts';
import type { CheckContext } from '../check.ts';
import type { History } from '../history.ts';
import { mediaPlaylist } from './hls-history.ts';

const POLL_MS = 100;

/** ffmpeg is started, waits for a keyframe, and a segment ends one fragment later: 2 to 3 s where nobody is busy. */
export const FIRST_SEGMENT_WITHIN_MS = 8000;

/** Asks again every 100 ms until there is an answer; not observed after `withinMs`. */
export async function poll<T>(
  t: CheckContext,
  what: string,
  withinMs: number,
  ask: () => Promise<T | undefined>,
): Promise<T> {
  const over = new AbortController();
  const asking = async (): Promise<T> => {
    for (;;) {
      const answer = await ask();
      if (answer !== undefined) return answer;
      await delay(POLL_MS, undefined, { signal: over.signal });
    }
  };
  try {
    return await t.within(what, withinMs, asking());
  } finally {
    over.abort();
  }
}

export function rungUrl(t: CheckContext, stream: string, suffix: string): string {
  return t.playUrl('hls', `${stream}_${suffix}`);
}

/**
 * Fetches so many segments of every rung, each as soon as its playlist lists it, in the order of the playlist. Rejects
 * only when all have come to their end, so that the history tells of every rung.
 */
export async function watchLadder(t: CheckContext, stream: string, segments: number): Promise<void> {
  const ends = await Promise.allSettled(LADDER.map(({ suffix }) => watchRung(t, stream, suffix, segments)));
  for (const end of ends) if (end.status === 'rejected') throw end.reason;
}

/**
 * Items of the rung go into the history as those of a player whose name is the rung's suffix, each with its segment;
 * `t` is when the segment was complete. The size of the first picture is told as a step `rung`.
 */
export async function watchRung(
  t: CheckContext,
  stream: string,
  suffix: string,
  segments: number,
): Promise<void> {
  const url = rungUrl(t, stream, suffix);
  const rung = new RungReader(t, `${stream}_${suffix}`, suffix);
  let next = 0;
  for (let count = 0; count < segments; count++) {
    const segment = await poll(t, `${suffix}: segment ${count + 1}`, FIRST_SEGMENT_WITHIN_MS, async () => {
      const { status, body } = await t.http(url, { label: suffix });
      return status === 200 ? segmentFrom(body, next) : undefined;
    });
    next = segment.sequence + 1;
    const { status, body } = await t.http(new URL(segment.uri, url).href, { label: suffix });
    if (status === 200) rung.take(segment.sequence, body);
  }
  t.step('rung', { rung: suffix, segments, width: rung.width, height: rung.height });
}

/** The first segment of a media playlist whose number is not below `sequence`. */
function segmentFrom(body: Uint8Array, sequence: number): MediaSegment | undefined {
  const playlist = mediaPlaylist(new TextDecoder().decode(body));
  return playlist?.segments.find((segment) => segment.sequence >= sequence);
}

class RungReader {
  /** Of the first picture whose sequence parameter set was read; 0 before. */
  width = 0;
  height = 0;
  readonly #t: CheckContext;
  readonly #client: string;
  readonly #reader: TsMediaReader;
  readonly #recorder: MediaRecorder;

  constructor(t: CheckContext, stream: string, client: string) {
    this.#t = t;
    this.#client = client;
    this.#recorder = new MediaRecorder((item, now) =>
      t.history.append({ t: now, type: 'player.got', client, stream, ...item }),
    );
    this.#reader = new TsMediaReader(
      new FirstUnit(this.#recorder, (unit) => {
        ({ width: this.width, height: this.height } = sizeOf(unit));
      }),
    );
  }

  /** What is malformed is told as a problem of the client. */
  take(sequence: number, body: Uint8Array): void {
    const now = wallClock.now();
    try {
      this.#recorder.segment(sequence);
      this.#reader.push(body, 0, body.length, now);
      this.#reader.end(now);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#reader.reset();
      const { code, message: detail } = error;
      this.#t.history.append({ t: now, type: 'client.problem', client: this.#client, code, detail });
    }
  }
}

/** Hands everything on, and gives the first whole access unit of video to `onUnit`. */
class FirstUnit implements MediaSink {
  readonly #sink: MediaRecorder;
  readonly #onUnit: (unit: Uint8Array) => void;
  #pieces: Uint8Array[] | undefined = [];

  constructor(sink: MediaRecorder, onUnit: (unit: Uint8Array) => void) {
    this.#sink = sink;
    this.#onUnit = onUnit;
  }

  layout(layout: MediaLayout): void {
    this.#sink.layout(layout);
  }

  begin(type: MediaType, timestamp: number, length: number): void {
    this.#sink.begin(type, timestamp, length);
  }

  data(type: MediaType, bytes: Uint8Array, start: number, end: number): void {
    if (type === MediaType.video) this.#pieces?.push(bytes.slice(start, end));
    this.#sink.data(type, bytes, start, end);
  }

  end(type: MediaType, now: number): void {
    this.#sink.end(type, now);
    if (type !== MediaType.video || this.#pieces === undefined) return;
    this.#onUnit(Buffer.concat(this.#pieces));
    this.#pieces = undefined;
  }
}

function sizeOf(unit: Uint8Array): { width: number; height: number } {
  const sps = splitAnnexB(unit).find((nal) => nal.length > 0 && nalType(nal[0]!) === NalType.sps);
  return sps === undefined ? { width: 0, height: 0 } : parseSps(sps);
}

/** One reading of the statistics for a stream of application `live`. */
export interface StatReading {
  readonly publishers: number;
  readonly players: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
}

const NO_STREAM: StatReading = { publishers: 0, players: 0, bytesIn: 0, bytesOut: 0 };

/** Reads the statistics until they match; records the last reading as a step `stat`. */
export async function untilStat(
  t: CheckContext,
  stream: string,
  moment: string,
  withinMs: number,
  matches: (reading: StatReading) => boolean,
): Promise<StatReading> {
  const { node, host, port } = t.cluster.entry('observe', 'stat');
  let last = NO_STREAM;
  try {
    return await poll(t, `statistics: ${moment}`, withinMs, async () => {
      const { applications } = await readRtmpStat(node, host, port);
      const app = applications.find(({ name }) => name === LIVE_APP);
      last = readingOf(app?.streams.find(({ name }) => name === stream));
      return matches(last) ? last : undefined;
    });
  } finally {
    t.step('stat', { moment, ...last });
  }
}

function readingOf(stream: StatStream | undefined): StatReading {
  if (stream === undefined) return NO_STREAM;
  const { clients, bytesIn, bytesOut } = stream;
  const publishers = clients.filter(({ publishing }) => publishing).length;
  return { publishers, players: clients.length - publishers, bytesIn, bytesOut };
}

/** The reading of a moment, as it was recorded last. */
export function readingAt(history: History, moment: string): StatReading | undefined {
  const data = history
    .of('step')
    .findLast(({ step, data }) => step === 'stat' && data.moment === moment)?.data;
  if (data === undefined) return undefined;
  const { publishers, players, bytesIn, bytesOut } = data;
  return {
    publishers: Number(publishers),
    players: Number(players),
    bytesIn: Number(bytesIn),
    bytesOut: Number(bytesOut),
  };
}
