/** What the servers of a run that goes on have in common: they are asked by GET, from here, and say what they are. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { type AddressInfo, isIP } from 'node:net';
import { hostname } from 'node:os';

export interface Address {
  readonly host: string;
  /** 0 is any. */
  readonly port: number;
}

export interface LiveServer {
  readonly port: number;
  /** `host:port`, as it stands in a URL. */
  readonly authority: string;
  /** Resolves when every answer is out and nothing listens. Idempotent. */
  close(): Promise<void>;
}

/** By path. An answer that never ends is ended by whoever gives it. */
export type Routes = Readonly<Record<string, (request: IncomingMessage, response: ServerResponse) => void>>;

/** An answer that nobody takes does not keep a run alive. */
const CLOSE_WITHIN_MS = 1000;

/** Rejects when the port is taken. */
export async function serve({ host, port }: Address, routes: Routes): Promise<LiveServer> {
  const server = createServer({ requestTimeout: 5000 }, (request, response) => {
    const path = (request.url ?? '/').split('?')[0]!;
    const route = Object.hasOwn(routes, path) ? routes[path] : undefined;
    if (!isOwnName(request.headers.host, host)) return refuse(response, 403, FOREIGN_NAME);
    if (route === undefined) return refuse(response, 404);
    if (request.method !== 'GET') return refuse(response.setHeader('allow', 'GET'), 405);
    response.setHeader('cache-control', 'no-store');
    response.setHeader('x-content-type-options', 'nosniff');
    route(request, response);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port, exclusive: true }, () => {
      server.off('error', reject);
      resolve();
    });
  });
  const at = server.address() as AddressInfo;
  let closing: Promise<void> | undefined;
  return {
    port: at.port,
    authority: `${at.family === 'IPv6' ? `[${at.address}]` : at.address}:${at.port}`,
    close() {
      closing ??= new Promise((resolve) => {
        const late = setTimeout(() => server.closeAllConnections(), CLOSE_WITHIN_MS);
        server.close(() => {
          clearTimeout(late);
          resolve();
        });
        server.closeIdleConnections();
      });
      return closing;
    },
  };
}

const FOREIGN_NAME = 'Ask by the address of this machine, or by the name that the option was given.\n';

/** A page of somebody else whose name leads here must not read the run (DNS rebinding). */
function isOwnName(asked: string | undefined, given: string): boolean {
  const name = (asked ?? '')
    .replace(/:\d+$/, '')
    .replace(/^\[(.*)\]$/, '$1')
    .toLowerCase();
  return [given.toLowerCase(), hostname().toLowerCase(), 'localhost'].includes(name) || isIP(name) !== 0;
}

function refuse(response: ServerResponse, status: number, why = ''): void {
  response.writeHead(status, { 'content-type': 'text/plain' }).end(why);
}
