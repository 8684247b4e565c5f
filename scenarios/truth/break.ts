/** A time without media: how long the gate says that it was, what it says was lost, and what a viewer saw of it. */
import { setTimeout as sleep } from 'node:timers/promises';
import { wallClock } from '../../drivers/measure/clock.ts';
import type { RecordedItem } from '../../drivers/measure/recorder.ts';
import { courseOf } from '../failover-course.ts';
import { History, type HistoryEvent } from '../history.ts';
import { joined } from './joining.ts';
import type { Link } from './link.ts';
import { type Rig, type SentFrame, until } from './rig.ts';
import {
  FRAME_MS,
  type Observation,
  SEGMENT_MS,
  type TruthPart,
  type TruthProtocol,
  WRITE_MS,
} from './rows.ts';
import type { Seat } from './seat.ts';
import { watch } from './viewer.ts';

/** Over UDP, what is not older than this when the link is whole again is sent again. */
const SRT_LATENCY_MS = 120;
/**
 * Behind packets that are missing a WHEP player waits so long for them, when it may not ask for them
 * (drivers/webrtc/video-receiver.ts), and looks whether it is over this often.
 */
const REORDER_MS = 100;
const REORDER_LOOK_MS = 20;
/** Longer than the longest cut. */
const SRT_PATIENCE_MS = 30_000;
/** The buffer of the viewer is full, and frames come. */
const BEFORE_MS = 2500;
/** Over HLS with the next segment. */
const FRAME_WITHIN_MS = 4 * SEGMENT_MS;
/** What was held back, and enough to fill the buffer again. */
const AFTER_MS = 3500;

interface Came {
  readonly item: RecordedItem;
  /** Epoch ms. */
  readonly at: number;
}

export class Break {
  readonly protocol: TruthProtocol;
  readonly ms: number;
  readonly #seat: Seat;
  readonly #items: Came[];
  readonly #link: Link;
  #from = Number.NaN;
  #to = Number.NaN;
  #end = Number.NaN;

  private constructor(protocol: TruthProtocol, ms: number, at: { seat: Seat; link: Link; items: Came[] }) {
    this.protocol = protocol;
    this.ms = ms;
    this.#seat = at.seat;
    this.#link = at.link;
    this.#items = at.items;
  }

  /** Resolves when the player has joined. What is lost is not asked for again over WHEP: the whole break is to be seen. */
  static async open(rig: Rig, protocol: TruthProtocol, ms: number, stream: string): Promise<Break> {
    const items: Came[] = [];
    const link = await rig.link(protocol);
    const onItem = (item: RecordedItem, at: number): void => void items.push({ item, at });
    const seat = rig.seat(protocol, stream, link, { nack: false, patienceMs: SRT_PATIENCE_MS, onItem });
    await joined(seat);
    return new Break(protocol, ms, { seat, link, items });
  }

  /** The link is cut, just after a frame has come. */
  async cut(): Promise<void> {
    await sleep(BEFORE_MS);
    const before = this.#items.length;
    await until('a frame', FRAME_WITHIN_MS, () => this.#items.length > before, 1).catch(() => {});
    await this.#run(
      () => this.#link.cut(),
      () => this.#link.restore(),
    );
  }

  /** Something else keeps frames from coming. */
  async wait(stop: () => void, start: () => void): Promise<void> {
    await sleep(BEFORE_MS);
    await this.#run(stop, start);
  }

  async #run(stop: () => void, start: () => void): Promise<void> {
    this.#from = wallClock.now();
    stop();
    await sleep(this.ms);
    start();
    this.#to = wallClock.now();
    await sleep(AFTER_MS + (this.protocol === 'hls' ? 2 * SEGMENT_MS : 0));
    this.#end = wallClock.now();
  }

  observations(part: TruthPart, what: string, sent: readonly SentFrame[]): Observation[] {
    const { meter, player } = this.#seat;
    const videos = this.#items.filter(({ item }) => item.kind === 'video');
    const course = courseOf(historyOf(sent, videos), WATCHED, this.#from);
    const joinedAt = videos.findIndex(({ item }) => item.key);
    const arrivals = videos.slice(joinedAt).map(({ item, at }) => ({ timestamp: item.timestamp, at }));
    const saw = watch(arrivals, this.#end);
    // Who does not come back misses all that is sent.
    const over = player.closed === undefined ? this.#to : (sent.at(-1)?.at ?? Number.NaN);
    const closed = player.closed === undefined ? '' : `, ${player.closed.code}`;
    const injected = `${what} ${this.ms / 1000} s${closed}`;
    const seen = { protocol: this.protocol, part, injected, samples: videos.length } as const;
    const one = FRAME_MS + WRITE_MS;
    const { expectedMore, tolerance } = this.#grain(part);
    return [
      {
        ...seen,
        figure: 'gap',
        unit: 'ms',
        // Without a break a segment is as far from the next.
        expected: Math.max(over - this.#from + expectedMore, this.protocol === 'hls' ? SEGMENT_MS : 0),
        reported: course.gap,
        tolerance: one + tolerance,
      },
      {
        ...seen,
        figure: 'frames missing',
        unit: '',
        expected: lostOf(sent, videos),
        reported: meter.continuity.missing,
        tolerance: 0,
      },
      {
        ...seen,
        figure: 'stalls',
        unit: '',
        expected: saw.stalls,
        reported: meter.model.stallsUntil(this.#end),
        tolerance: saw.close,
      },
      {
        ...seen,
        figure: 'time stalled',
        unit: 'ms',
        expected: saw.stalledMs,
        reported: meter.model.stalledUntil(this.#end),
        tolerance: one,
      },
    ];
  }

  /** What the gap of a protocol is longer by, by its design, and to what it is known. */
  #grain(part: TruthPart): { readonly expectedMore: number; readonly tolerance: number } {
    // A publisher that goes on where it stopped has its pause between two frames.
    const paused = { expectedMore: part === 'pause' ? FRAME_MS : 0, tolerance: 0 };
    switch (this.protocol) {
      case 'hls':
        return { ...paused, tolerance: SEGMENT_MS };
      case 'srt':
        return { ...paused, tolerance: SRT_LATENCY_MS };
      case 'whep-lite':
      case 'whep-datachannel':
        return part === 'cuts' ? { expectedMore: REORDER_MS, tolerance: REORDER_LOOK_MS } : paused;
      default:
        return paused;
    }
  }
}

const [PUBLISHER, PLAYER] = ['publisher', 'player'] as const;
const WATCHED = {
  client: PLAYER,
  publisher: PUBLISHER,
  part: 'waits',
  boundMs: 0,
  since: 'fault',
  why: '',
  lossless: false,
  group: '',
} as const;

/** As the gate would have recorded it. */
function historyOf(sent: readonly SentFrame[], got: readonly Came[]): History {
  const events: HistoryEvent[] = [
    ...sent.map(({ stream, frame, at }): HistoryEvent => {
      const stamp = { stream, frame, sentAt: at, intact: true };
      const item = { kind: 'video', timestamp: 0, size: 0, sum: 0, key: false, stamp } as const;
      return { t: at, type: 'publisher.sent', client: PUBLISHER, stream: '', ...item };
    }),
    ...got.map(
      ({ item, at }): HistoryEvent => ({ t: at, type: 'player.got', client: PLAYER, stream: '', ...item }),
    ),
  ].sort((a, b) => a.t - b.t);
  const history = new History();
  for (const event of events) history.append(event);
  return history;
}

/** Sent between the first and the last frame that came, and not among them. */
function lostOf(sent: readonly SentFrame[], got: readonly Came[]): number {
  const came = new Set(got.flatMap(({ item }) => item.stamp?.frame ?? []));
  const [first, last] = [Math.min(...came), Math.max(...came)];
  return sent.filter(({ frame }) => frame > first && frame < last && !came.has(frame)).length;
}
