/** The protocols of the proxy, in the order in which they start and are asked on the HTTP API port. */
import type { PartFactory } from './context.ts';
import { SrtProxy } from './srt.ts';

export const PARTS: readonly PartFactory[] = [(context) => new SrtProxy(context)];
