/** Hand-made histories for judges. Time goes on by one millisecond per event. */
import { History, type HistoryEvent, type MediaItem, type StepData } from '../../../scenarios/history.ts';

/** Distributes over the kinds of events, which `Omit` alone does not. */
type Untimed<E> = E extends unknown ? Omit<E, 't'> : never;

export class Script {
  readonly history = new History();
  #t = 1000;

  event(event: Untimed<HistoryEvent>): this {
    this.#t += 1;
    this.history.append({ t: this.#t, ...event } as HistoryEvent);
    return this;
  }

  step(step: string, data: StepData = {}): this {
    return this.event({ type: 'step', step, data });
  }

  steps(step: string, all: readonly StepData[]): this {
    for (const data of all) this.step(step, data);
    return this;
  }

  sent(client: string, items: readonly MediaItem[]): this {
    for (const item of items) this.event({ type: 'publisher.sent', client, stream: 's', ...item });
    return this;
  }

  got(client: string, items: readonly MediaItem[]): this {
    for (const item of items) this.event({ type: 'player.got', client, stream: 's', ...item });
    return this;
  }

  closed(client: string): this {
    return this.event({
      type: 'client.closed',
      client,
      reason: 'remote',
      during: 'streaming',
      code: 'eof.streaming',
      detail: '',
    });
  }
}

/** Audio and video frames in turn, each with a checksum of its own. */
export function frames(count: number, from = 0): MediaItem[] {
  return Array.from({ length: count }, (_, i) => from + i).flatMap((n) => {
    const common = { timestamp: n * 40, size: 100 + n, key: false };
    const stamp = { stream: 1, frame: n, sentAt: 0, intact: true };
    return [
      { ...common, kind: 'audio' as const, sum: 2 * n, stamp: null },
      { ...common, kind: 'video' as const, sum: 2 * n + 1, stamp },
    ];
  });
}

/** Judgements in short: the worst verdict, and all that is not a pass in words. */
export function verdictOf(judgements: readonly { verdict: string; expected: string; actual: string }[]): {
  verdict: string;
  says: string;
} {
  const worst = ['fail', 'inconclusive', 'pass'].find((v) => judgements.some(({ verdict }) => verdict === v));
  const told = judgements.filter(({ verdict }) => verdict !== 'pass').map(({ actual }) => actual);
  return { verdict: worst ?? 'vacuous', says: told.join('; ') };
}
