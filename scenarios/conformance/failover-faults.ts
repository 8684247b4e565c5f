/** Faults that pass: nodes that freeze and go on, nodes that die and are started again. */
import type { ClusterNode } from '../../lab/cluster.ts';
import type { CheckContext } from '../check.ts';
import { cured, settled } from './failover-judging.ts';

interface Passing {
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

function namesIn(nodes: readonly ClusterNode[]): string {
  return nodes.map(({ spec }) => spec.name).join(', ');
}
