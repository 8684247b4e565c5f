/** The protocols of the proxy, in the order in which they start and are asked on the HTTP API port. */
import type { PartFactory } from './context.ts';

export const PARTS: readonly PartFactory[] = [];
