/** What every part of the proxy gets, and what it is to the process that runs it. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Log } from '../log.ts';
import type { Mutants } from '../mutants.ts';
import type { DeadOrigins } from './dead-origins.ts';
import type { ProxyEnvironment } from './environment.ts';
import type { LoadBalancer } from './load-balancer.ts';
import type { ProxyMetrics } from './metrics.ts';
import type { ProxyTimeouts } from './timeouts.ts';

export interface ProxyContext {
  readonly environment: ProxyEnvironment;
  readonly timeouts: ProxyTimeouts;
  readonly balancer: LoadBalancer;
  readonly deadOrigins: DeadOrigins;
  readonly log: Log;
  readonly metrics: ProxyMetrics;
  readonly mutants: Mutants;
}

/**
 * Answers a request on the HTTP API port, or returns false and leaves it alone.
 * @param path of the request target, not decoded.
 */
export type ApiRoute = (
  request: IncomingMessage,
  response: ServerResponse,
  path: string,
  query: URLSearchParams,
) => boolean;

/** One protocol: its listeners and everybody who is served. */
export interface ProxyPart {
  /** Resolves when every listener is bound. */
  start(): Promise<void>;
  /** Ends everybody who is being served; listeners stay. Only a mutant does that. */
  drop?(reason: string): void;
  /** Lets go of everything, at once; idempotent. */
  close(): void;
  /** What it answers on the HTTP API port. */
  readonly api?: ApiRoute;
}

export type PartFactory = (context: ProxyContext) => ProxyPart;
