/** Faults: nodes that freeze, die, go on and are started again; and what is met there meanwhile. */
import type { ClusterNode } from '../../lab/cluster.ts';
import type { CheckContext } from '../check.ts';
import { hold, knock, untilGone } from '../wire/presence.ts';
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

/** Kills a node, and knocks at it before and afterwards; or freezes it, and asks it until it says something. */
export async function strike(t: CheckContext, node: ClusterNode, action: 'kill' | 'freeze'): Promise<void> {
  if (action === 'freeze') {
    await hold(t, node);
    return;
  }
  await knock(t, node);
  await t.control(node, action);
  await untilGone(t, node);
}

/** Freezes nodes for a while. */
export async function standStill(
  t: CheckContext,
  nodes: readonly ClusterNode[],
  { forMs, why, meanwhile }: Passing,
): Promise<void> {
  const releases = await Promise.all(nodes.map((node) => hold(t, node)));
  meanwhile?.();
  await t.observe(forMs, why);
  await Promise.all(releases.map((release) => release()));
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
  await Promise.all(nodes.map((node) => knock(t, node)));
  await Promise.all(nodes.map((node) => t.control(node, 'kill')));
  await Promise.all([t.observe(forMs, why), ...nodes.map((node) => untilGone(t, node, forMs))]);
  await Promise.all(nodes.map((node) => t.control(node, 'restart')));
  cured(t, `${namesIn(nodes)}: ready`);
  await settled(t, group);
}

function namesIn(nodes: readonly ClusterNode[]): string {
  return nodes.map(({ spec }) => spec.name).join(', ');
}
