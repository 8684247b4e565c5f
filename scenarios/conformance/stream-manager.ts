/** Checks of the stream manager, in the order in which the gate runs them. */
import { MANAGER_FAILURES } from './stream-manager-failures.ts';
import { MANAGER_STREAMS } from './stream-manager-streams.ts';

export const MANAGER_CHECKS = [...MANAGER_STREAMS, ...MANAGER_FAILURES];
