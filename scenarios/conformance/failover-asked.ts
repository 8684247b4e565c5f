/** What checks of faults ask of clients again and again: to notice nothing, to wait behind what freezes, to come to it. */
import { FORWARD_DELAY_MS, PLAYING_WITHIN_MS, TWO_HOPS_MS } from '../bounds.ts';
import type { CheckContext } from '../check.ts';
import type { Watched } from '../failover-steps.ts';
import { type Habit, VIEWER } from '../habits.ts';
import { watchFor } from './failover-judging.ts';
import { ENCODERS, HANDSHAKE_MS, PATIENT_MS } from './failover-setting.ts';

/** What has piled up at a frozen node passes at once when it goes on; half a second to work it off. */
export const WORKED_OFF_MS = 500;
/** The same from node to player. */
export const CAUGHT_UP_MS = TWO_HOPS_MS + WORKED_OFF_MS;

type Delay = Pick<Watched, 'boundMs' | 'why'>;

const TWO_HOPS: Delay = { boundMs: TWO_HOPS_MS, why: 'two merged writes' };
/** Of players whose frames a master forwards. */
export const FORWARDED: Delay = {
  boundMs: FORWARD_DELAY_MS,
  why: 'a pulse of the forwarder, two merged writes',
};

/** Whose clients, and whose stamps they are to see. */
export interface Asked {
  readonly group: string;
  readonly publisher: string;
}

/** Clients whom the fault does not concern notice nothing. @param delay between two frames anyhow. */
export function watchUntouched(
  t: CheckContext,
  asked: Asked,
  clients: readonly string[],
  delay: Delay = TWO_HOPS,
): void {
  for (const client of clients)
    watchFor(t, { ...asked, ...delay, client, part: 'untouched', since: 'fault', lossless: true });
}

/** An encoder whose frames pass what freezes sends on: the buffers of the system take them. */
export function watchSender(t: CheckContext, asked: Asked): void {
  watchFor(t, {
    ...asked,
    client: asked.publisher,
    part: 'untouched',
    since: 'fault',
    boundMs: TWO_HOPS_MS,
    why: 'the buffers of the system take what it sends',
    lossless: true,
  });
}

/** Players whose frames pass what freezes stay, and get every one of them. */
export function watchHeld(
  t: CheckContext,
  asked: Asked,
  clients: readonly string[],
  boundMs: number = CAUGHT_UP_MS,
): void {
  for (const client of clients) {
    watchFor(t, {
      ...asked,
      client,
      part: 'waits',
      since: 'cure',
      boundMs,
      why: 'merged writes, half a second for what has piled up',
      lossless: true,
    });
  }
}

/** A viewer comes to what is frozen, and is let in when it goes on. */
export function watchNewcomer(t: CheckContext, asked: Asked, url: string): void {
  const { label: client } = t.watch({ url, label: 'newcomer', habit: VIEWER, patienceMs: PATIENT_MS });
  watchFor(t, {
    ...asked,
    client,
    part: 'waits',
    since: 'cure',
    boundMs: PLAYING_WITHIN_MS,
    why: 'it comes while nobody accepts it',
    lossless: true,
  });
}

/** Until an encoder is back through what was started again: it has failed twice, perhaps, by then. */
export function encoderReturnMs(habit: Habit): number {
  return habit.waitMs(2) + HANDSHAKE_MS;
}

/** An encoder comes back when what it publishes through is there again. */
export function watchEncoder(t: CheckContext, group: string, habit: Habit, label: string): void {
  watchFor(t, {
    group,
    publisher: label,
    client: label,
    part: 'publishes',
    since: 'cure',
    boundMs: encoderReturnMs(habit),
    why: `${habit.name} waits up to ${habit.waitMs(2)} ms`,
    lossless: false,
  });
}

/** The same of an encoder of each kind, with a stream of its own. */
export async function encodersThrough(t: CheckContext, front: string, group: string): Promise<void> {
  for (const habit of ENCODERS) {
    const url = t.publishUrl(t.stream(habit.name.toLowerCase()), front);
    const { label } = await t.encode({ url, label: habit.name, habit });
    watchEncoder(t, group, habit, label);
  }
}
