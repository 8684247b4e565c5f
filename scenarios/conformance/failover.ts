/** Faults and what becomes of the clients: nodes that are killed or frozen, links that are cut. */
import type { Check } from '../check.ts';
import { FAILOVER_EDGE } from './failover-edge.ts';
import { FAILOVER_LINKS } from './failover-links.ts';
import { FAILOVER_ORIGIN } from './failover-origin.ts';

export const FAILOVER_CHECKS: readonly Check[] = [...FAILOVER_ORIGIN, ...FAILOVER_LINKS, ...FAILOVER_EDGE];
