/** Checks of RTMP 302 between coworkers, in the order in which the gate runs them. */
import type { Check } from '../check.ts';
import { REDIRECT_EDGE } from './redirect-edge.ts';
import { REDIRECT_FAILURES } from './redirect-failures.ts';
import { REDIRECT_MOVES } from './redirect-moves.ts';
import { REDIRECT_ORIGIN } from './redirect-origin.ts';

export const REDIRECT_CHECKS: readonly Check[] = [
  ...REDIRECT_ORIGIN,
  ...REDIRECT_EDGE,
  ...REDIRECT_FAILURES,
  ...REDIRECT_MOVES,
];
