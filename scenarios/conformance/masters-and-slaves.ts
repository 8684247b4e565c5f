/** What the checks of forwarding share: who has a stream, which links carry it, and what came over them. */
import type { Role } from '../../lab/topology.ts';
import { FORWARDED_WITHIN_MS } from '../bounds.ts';
import { type CheckContext, type Judgement, UnreachableError } from '../check.ts';
import type { EventOf, History } from '../history.ts';
import { inconclusive } from '../judging.ts';

export const FORWARD_CLUSTER = ['forward-cluster'] as const;
/** The document of the cluster. */
export const SEED = 'SRS cluster with HAProxy and Nginx (seeds/003)';
/** The document of forwarding itself. */
export const SRS = 'SRS 7.0.18';

const LOOK_MS = 50;

export function namesOf(t: CheckContext, role: Role): string[] {
  return t.nodes(role).map(({ spec }) => spec.name);
}

/**
 * The master that a stream was published to. A balancer does not tell, so the masters' APIs are asked; every reading
 * is in the history. Not observed when none of them has it within the time of a forward.
 */
export async function holderOf(
  t: CheckContext,
  stream: string,
  masters = namesOf(t, 'master'),
): Promise<string> {
  const end = performance.now() + FORWARDED_WITHIN_MS;
  for (;;) {
    for (const master of masters) {
      if ((await t.readApi(master, stream)).publishers > 0) return master;
    }
    if (performance.now() > end) {
      const nowhere = Promise.reject(new UnreachableError(`asked: ${masters.join(', ')}`));
      await t.within(`${stream}: a master that has it`, FORWARDED_WITHIN_MS, nowhere);
    }
    await t.observe(LOOK_MS, 'no master tells of the stream yet');
  }
}

/** How often a link was opened. */
export function openingsOf(history: History, from: string, to: string): number {
  return history.of('tap.open').filter(({ tap }) => tap === `${from}>${to}`).length;
}

/** All of them, also where one does not come; the first that did not is thrown then. */
export async function everyOne(waits: readonly Promise<unknown>[]): Promise<void> {
  const settled = await Promise.allSettled(waits);
  const lost = settled.find((one) => one.status === 'rejected');
  if (lost !== undefined) throw lost.reason;
}

/** Breaks the link of a master to a slave, once; the forwarder connects anew when its retry is due. */
export function breakLink(t: CheckContext, from: string, to: string): number {
  const tap = t.cluster.taps.find((one) => one.from === from && one.to === to);
  if (tap === undefined) throw new Error(`there is no tap between ${from} and ${to}`);
  const at = t.step('link-broken', { from, to });
  tap.cut();
  tap.restore();
  return at;
}

export type Got = EventOf<'player.got'>;

/** Frames with the stamp of one publisher. */
export function framesFrom(history: History, player: string, publisher: string): Got[] {
  const stream = history.sent(publisher).find(({ stamp }) => stamp !== null)?.stamp?.stream;
  if (stream === undefined) return [];
  return history.got(player).filter(({ stamp }) => stamp?.stream === stream);
}

/** Waits for frames with the stamp of one publisher. */
export function framesOf(
  t: CheckContext,
  player: string,
  publisher: string,
  count: number,
  withinMs: number,
): Promise<void> {
  return t.until(
    `${player}: ${count} frames of ${publisher}`,
    withinMs,
    (history) => framesFrom(history, player, publisher).length >= count,
  );
}

/** The time of a step; undefined when the check did not get there. */
export function timeOf(history: History, step: string): number | undefined {
  return history.of('step').find((event) => event.step === step)?.t;
}

/** How a client's connection ended without its own doing; undefined when it did not. */
export function lossOf(history: History, client: string): EventOf<'client.closed'> | undefined {
  return history.of('client.closed').find((event) => event.client === client && event.reason !== 'local');
}

/** Something whose absence may have another reason than the cluster: a `fail` only where it was waited for. */
export function missedBy(history: History, who: string, expected: string, actual: string): Judgement {
  const waited = history.of('not-observed').some(({ what }) => what.startsWith(`${who}:`));
  if (waited) return { verdict: 'fail', expected, actual };
  return inconclusive(expected, `${actual} when the check ended for another reason`);
}
