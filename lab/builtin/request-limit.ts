/** How long an HTTP server of Node waits for a whole request. */
import type { ServerOptions } from 'node:http';

/** By itself Node looks only every 30 s who is late. */
const LOOK_AT_MOST_EVERY_MS = 1000;
const LOOK_AT_LEAST_AFTER_MS = 50;

/** From the connection, or from the first byte of a later request, to the end of the request; kept to within a second. */
export function requestWithin(ms: number): ServerOptions {
  const quarter = Math.min(LOOK_AT_MOST_EVERY_MS, ms / 4);
  return { requestTimeout: ms, connectionsCheckingInterval: Math.max(LOOK_AT_LEAST_AFTER_MS, quarter) };
}
