/** Faults that pass: nodes that freeze and go on, nodes that die and are started again. */
import type { ClusterNode } from '../../lab/cluster.ts';
import { PLAYING_WITHIN_MS, TWO_HOPS_MS } from '../bounds.ts';
import type { CheckContext } from '../check.ts';
import { VIEWER } from '../habits.ts';
import { cured, settled, watchFor } from './failover-judging.ts';
import { PATIENT_MS } from './failover-setting.ts';

/** What has piled up at a frozen node passes at once when it goes on; half a second to work it off. */
export const WORKED_OFF_MS = 500;
/** The same from node to player. */
export const CAUGHT_UP_MS = TWO_HOPS_MS + WORKED_OFF_MS;

export interface Passing {
  /** How long it lasts. */
  readonly forMs: number;
  /** What it is, in the history. */
  readonly why: string;
  /** Begins what comes to a frozen node; not waited for. Default nothing does. */
  readonly meanwhile?: () => void;
}

interface Watching extends Passing {
  /** Whose clients are waited for afterwards. */
  readonly group: string;
}

/** Freezes nodes for a while. */
export async function standStill(
  t: CheckContext,
  nodes: readonly ClusterNode[],
  { forMs, why, meanwhile }: Passing,
): Promise<void> {
  await Promise.all(nodes.map((node) => t.control(node, 'freeze')));
  meanwhile?.();
  await t.observe(forMs, why);
  await Promise.all(nodes.map((node) => t.control(node, 'thaw')));
}

/** Freezes nodes for a while; resolves when everybody is served again. */
export async function standStillAndGoOn(
  t: CheckContext,
  nodes: readonly ClusterNode[],
  watching: Watching,
): Promise<void> {
  await standStill(t, nodes, watching);
  cured(t, `${namesIn(nodes)}: on again`);
  await settled(t, watching.group);
}

/** Kills nodes and starts them again after a while; resolves when everybody is served again. */
export async function dieAndReturn(
  t: CheckContext,
  nodes: readonly ClusterNode[],
  { group, forMs, why }: Omit<Watching, 'meanwhile'>,
): Promise<void> {
  await Promise.all(nodes.map((node) => t.control(node, 'kill')));
  await t.observe(forMs, why);
  await Promise.all(nodes.map((node) => t.control(node, 'restart')));
  cured(t, `${namesIn(nodes)}: ready`);
  await settled(t, group);
}

interface Asked {
  readonly group: string;
  readonly publisher: string;
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

function namesIn(nodes: readonly ClusterNode[]): string {
  return nodes.map(({ spec }) => spec.name).join(', ');
}
