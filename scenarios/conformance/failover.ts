/** Faults and what becomes of the clients: nodes that are killed or frozen, links that are cut. */
import type { Check } from '../check.ts';
import { FAILOVER_BALANCER } from './failover-balancer.ts';
import { FAILOVER_CACHE } from './failover-cache.ts';
import { FAILOVER_COWORKER } from './failover-coworker.ts';
import { FAILOVER_EDGE } from './failover-edge.ts';
import { FAILOVER_ENTRIES } from './failover-entries.ts';
import { FAILOVER_FORWARD } from './failover-forward.ts';
import { FAILOVER_HOST } from './failover-host.ts';
import { FAILOVER_LADDER } from './failover-ladder.ts';
import { FAILOVER_LINKS } from './failover-links.ts';
import { FAILOVER_ORIGIN } from './failover-origin.ts';
import { FAILOVER_PROXY } from './failover-proxy.ts';
import { FAILOVER_WEB } from './failover-web.ts';

export const FAILOVER_CHECKS: readonly Check[] = [
  ...FAILOVER_ORIGIN,
  ...FAILOVER_CACHE,
  ...FAILOVER_LINKS,
  ...FAILOVER_EDGE,
  ...FAILOVER_BALANCER,
  ...FAILOVER_ENTRIES,
  ...FAILOVER_FORWARD,
  ...FAILOVER_WEB,
  ...FAILOVER_PROXY,
  ...FAILOVER_COWORKER,
  ...FAILOVER_HOST,
  ...FAILOVER_LADDER,
];
