/** Hand-made histories with a clock that the test sets, for judges who look at times. Events in the order of calls. */
import type { CloseReason } from '../../../drivers/client.ts';
import type { Check } from '../../../scenarios/check.ts';
import {
  type ApiReading,
  type CrowdFigures,
  type EventOf,
  History,
  type MediaItem,
  type StepData,
} from '../../../scenarios/history.ts';
import { verdictOf } from './histories.ts';

export class Timeline {
  readonly history = new History();
  readonly #opened = new Map<string, number>();
  readonly #open = new Map<string, number>();

  open(t: number, from: string, to = 'origin'): this {
    const tap = `${from}>${to}`;
    this.#opened.set(tap, (this.#opened.get(tap) ?? 0) + 1);
    return this.#tap(t, from, to, 'tap.open', 1);
  }

  close(t: number, from: string, to = 'origin'): this {
    return this.#tap(t, from, to, 'tap.close', -1);
  }

  control(t: number, node: string, action: EventOf<'node.control'>['action']): this {
    this.history.append({ t, type: 'node.control', node, action });
    return this;
  }

  /** A node is killed. @param met at its port afterwards; null: nobody looked. */
  killSeen(t: number, node: string, met: string | null = 'ECONNREFUSED'): this {
    this.step(t, 'node.knocked', { node, met: 'open' }).control(t, node, 'kill');
    return met === null ? this : this.step(t + 1, 'node.knocked', { node, met });
  }

  /** A node is frozen, and asked. @param answers whatever was done to it. */
  freezeSeen(t: number, node: string, answers = false): this {
    this.control(t, node, 'freeze').step(t, 'node.asked', { node });
    return answers ? this.answered(t + 1, node) : this;
  }

  answered(t: number, node: string): this {
    return this.step(t, 'node.answered', { node, status: 200, error: null });
  }

  api(t: number, stream: string, reading: Partial<ApiReading>, node = 'origin'): this {
    const upstreamsOf = reading.upstreamsOf ?? {};
    const upstreams = Object.values(upstreamsOf).reduce((sum, count) => sum + count, 0);
    this.history.append({
      t,
      type: 'api.stream',
      node,
      stream,
      clients: upstreams,
      upstreams,
      publishers: 1,
      ...reading,
      upstreamsOf,
    });
    return this;
  }

  step(t: number, step: string, data: StepData = {}): this {
    this.history.append({ t, type: 'step', step, data });
    return this;
  }

  missed(t: number, what: string, withinMs = 1000): this {
    this.history.append({ t, type: 'not-observed', what, withinMs });
    return this;
  }

  generator(t: number, loopLagMs: number): this {
    this.history.append({ t, type: 'generator', loopLagMs });
    return this;
  }

  crowd(t: number, crowd: string, figures: Partial<CrowdFigures>): this {
    const none = { failed: 0, dropped: 0, unstamped: 0, missing: 0, duplicated: 0, reordered: 0, corrupt: 0 };
    const full = { requested: 10, joined: 10, frames: 600, framesOfWorst: 60, ...none, ...figures };
    this.history.append({ t, type: 'crowd', crowd, ...full });
    return this;
  }

  /** `t` of each item is given by `at`; default the time of its stamp, or its timestamp. */
  sent(client: string, items: readonly MediaItem[], stream = 's'): this {
    for (const item of items) {
      this.history.append({ t: item.timestamp, type: 'publisher.sent', client, stream, ...item });
    }
    return this;
  }

  got(client: string, items: readonly MediaItem[], delay = 100, stream = 's'): this {
    for (const item of items) {
      this.history.append({ t: item.timestamp + delay, type: 'player.got', client, stream, ...item });
    }
    return this;
  }

  lost(t: number, client: string, reason: CloseReason = 'remote'): this {
    const during = 'streaming';
    const code = `eof.${during}`;
    this.history.append({ t, type: 'client.closed', client, reason, during, code, detail: '' });
    return this;
  }

  #tap(t: number, from: string, to: string, type: 'tap.open' | 'tap.close', change: number): this {
    const tap = `${from}>${to}`;
    const open = (this.#open.get(tap) ?? 0) + change;
    this.#open.set(tap, open);
    const connection = this.#opened.get(tap) ?? 0;
    this.history.append({ t, type, tap, from, connection, open });
    return this;
  }
}

/** What a check's judge asks for and does not find, in its own words. */
export function failuresOf(checks: readonly Check[], id: string, { history }: Timeline): string[] {
  const check = checks.find((one) => one.id === id);
  if (check === undefined) throw new Error(`no check ${id}`);
  const failed = check.judge(history).filter(({ verdict }) => verdict === 'fail');
  return failed.map(({ expected }) => expected);
}

/** The verdict of a check's judge on a history, and what is not a pass in words. */
export function judgeWith(
  checks: readonly Check[],
  id: string,
  timeline: Timeline,
): { verdict: string; says: string } {
  const check = checks.find((one) => one.id === id);
  if (check === undefined) throw new Error(`no check ${id}`);
  return verdictOf(check.judge(timeline.history));
}

const GOP = 25;
const FRAME_MS = 40;

interface StreamOptions {
  readonly stream?: number;
  readonly from?: number;
  readonly count: number;
}

/** Video frames as publishers send them: 25 to a GOP, one each 40 ms, sent at their timestamps. */
export function video({ stream = 1, from = 0, count }: StreamOptions): MediaItem[] {
  return Array.from({ length: count }, (_, i) => from + i).map((frame) => ({
    kind: 'video',
    timestamp: frame * FRAME_MS,
    size: 1000 + frame,
    sum: stream * 100_000 + frame,
    key: frame % GOP === 0,
    stamp: { stream, frame, sentAt: frame * FRAME_MS, intact: true },
  }));
}

export function audio({ count, from = 0 }: StreamOptions): MediaItem[] {
  return Array.from({ length: count }, (_, i) => ({
    kind: 'audio',
    timestamp: (from + i) * FRAME_MS,
    size: 200,
    sum: 900_000 + from + i,
    key: false,
    stamp: null,
  }));
}

export const headers: readonly MediaItem[] = (['metadata', 'audio-config', 'video-config'] as const).map(
  (kind, i) => ({ kind, timestamp: 0, size: 10 + i, sum: 10 + i, key: false, stamp: null }),
);
