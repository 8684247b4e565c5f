/** Where the players of fan-out/ are put. */
import type { CheckContext } from '../check.ts';

export const EDGE_CLUSTER = ['edge-cluster'] as const;
export const PROTOCOLS = ['rtmp', 'flv'] as const;

/**
 * Where players are put: an edge that is in use, one that is not, one that was (the same where there are fewer), the
 * origin.
 */
export function places(t: CheckContext): { warm: string; cold: string; left: string; origin: string } {
  const edges = t.nodes('edge').map((edge) => edge.spec.name);
  const [warm = '', cold = warm, left = cold] = edges;
  return { warm, cold, left, origin: t.nodes('origin')[0]!.spec.name };
}
