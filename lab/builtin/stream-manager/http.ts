/**
 * The HTTP API of a stream manager, in SRS's form where SRS asks:
 *
 * | request | what |
 * |---|---|
 * | `GET\|POST /api/v1/clusters?vhost=&ip=&app=&stream=&coworker=` | where a stream is (facts/srs.md 2) |
 * | `POST /api/v1/streams` | a report (reports.ts) |
 * | `POST /api/v1/hooks/on_publish`, `…/on_unpublish` `?rtmp=&api=` | SRS's http_hooks (facts/srs.md 10.5) |
 * | `GET /api/v1/streams?start=&count=` | publications, newest of a stream first |
 * | `GET /api/v1/origins` | origins, dead ones too |
 * | `GET /api/v1/versions`, `GET /metrics` | |
 *
 * A report that cannot be used gets a 4xx: 400 for its content, 413 for its size, 405 for its method; 503 when the
 * limits are reached.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { randomId } from '../clients.ts';
import { API_VERSION } from '../constants.ts';
import type { Log } from '../log.ts';
import { requestWithin } from '../request-limit.ts';
import { partsOf, peerOf, streamKey } from './address.ts';
import { answerFirst } from './front.ts';
import { parseQuery } from './query.ts';
import { type Known, Questions } from './questions.ts';
import { RegistryFullError } from './registry.ts';
import { BadReportError, parseHook, parseStreamsReport, type StreamsReport } from './reports.ts';

/** From the first byte of a request to its last; SRS's own is 15 s (facts/srs.md 10.2). */
const REQUEST_TIMEOUT_MS = 10_000;
/** How long who sends too much may go on. */
const LINGER_MS = 2000;
const MAX_CONNECTIONS = 10_000;
/** Of a list, unless `count` says less. */
const MAX_PAGE = 1000;

export interface Manager extends Known {
  readonly maxBody: number;
  readonly log: Log;
}

export function createManagerServer(manager: Manager): Server {
  const questions = new Questions(manager);
  const api = new ManagerApi(manager, questions);
  const server = createServer(
    { ...requestWithin(REQUEST_TIMEOUT_MS), noDelay: false },
    (request, response) => {
      void api.serve(request, response);
    },
  );
  server.maxConnections = MAX_CONNECTIONS;
  answerFirst(server, questions);
  return server;
}

class HttpError extends Error {
  override readonly name = 'HttpError';
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

class ManagerApi {
  readonly #manager: Manager;
  readonly #questions: Questions;
  /** Change with every start, as SRS's do. */
  readonly #self = { server: `vid-${randomId()}`, service: randomId(), pid: String(process.pid) };

  constructor(manager: Manager, questions: Questions) {
    this.#manager = manager;
    this.#questions = questions;
  }

  async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = request.url ?? '';
    try {
      const path = url.split('?', 1)[0]!.replace(/\/$/, '');
      if (path === '/api/v1/clusters') await this.#clusters(request, response, url);
      else await this.#serveOther(path, request, response, url);
    } catch (error) {
      if (!response.headersSent) this.#refuse(request, response, error);
      else response.destroy();
    }
  }

  async #serveOther(
    path: string,
    request: IncomingMessage,
    response: ServerResponse,
    url: string,
  ): Promise<void> {
    const { method = 'GET' } = request;
    switch (path) {
      case '/api/v1/streams':
        if (method === 'POST') return this.#report(request, response, 'streams', url);
        return this.#list(method, response, this.#streams(parseQuery(url)));
      case '/api/v1/hooks/on_publish':
      case '/api/v1/hooks/on_unpublish':
        if (method !== 'POST') throw new HttpError(405, 'expected POST');
        return this.#report(
          request,
          response,
          path.endsWith('on_publish') ? 'on_publish' : 'on_unpublish',
          url,
        );
      case '/api/v1/origins':
        return this.#list(method, response, { origins: this.#origins() });
      case '/api/v1/versions':
        return this.#list(method, response, { data: API_VERSION });
      case '/metrics': {
        if (method !== 'GET') throw new HttpError(405, 'expected GET');
        const { metrics } = this.#manager;
        send(response, 200, await metrics.text(), metrics.contentType);
        return;
      }
      default:
        throw new HttpError(404, 'not found');
    }
  }

  async #clusters(request: IncomingMessage, response: ServerResponse, url: string): Promise<void> {
    if (request.method !== 'GET' && request.method !== 'POST')
      throw new HttpError(405, 'expected GET or POST');
    request.resume();
    const body = await this.#questions.answer(url, request.socket);
    if (body !== undefined) send(response, 200, body);
  }

  async #report(
    request: IncomingMessage,
    response: ServerResponse,
    form: 'streams' | 'on_publish' | 'on_unpublish',
    url: string,
  ): Promise<void> {
    const { metrics, maxBody, mutants } = this.#manager;
    const peer = peerOf(request.socket.remoteAddress);
    try {
      const body = await bodyOf(request, maxBody);
      this.#apply(
        form === 'streams' ? parseStreamsReport(body, peer) : parseHook(body, parseQuery(url), form, peer),
      );
    } catch (error) {
      metrics.reports.inc({ form, outcome: 'refused' });
      if (mutants.has('manager-malformed-kills') && error instanceof BadReportError) process.exit(1);
      if (mutants.has('manager-malformed-tolerated')) return this.#answer(response, 200, { code: 0 });
      throw error;
    }
    metrics.reports.inc({ form, outcome: 'taken' });
    this.#answer(response, 200, {
      code: mutants.has('manager-refuses-publishers') && form !== 'streams' ? 1 : 0,
    });
  }

  #apply({ complete, streams, ...report }: StreamsReport): void {
    const { registry } = this.#manager;
    const key = ({ vhost, app, stream }: StreamsReport['streams'][number]) => streamKey(vhost, app, stream);
    const leaving = streams.filter(({ action }) => action === 'unpublish');
    if (!complete && leaving.length > 0 && leaving.length === streams.length) {
      // Who tells of an end need not live: it may be the last word of what was started anew since.
      const known = registry.at(report.rtmp);
      if (known === undefined || isOther(known.service, report.service)) return;
    }
    if (streams.length === 0 && this.#manager.mutants.has('manager-ignores-heartbeats')) return;
    const origin = registry.see(report);
    for (const one of streams) {
      if (one.action === 'publish') registry.publish(origin, key(one), one.client);
      else registry.unpublish(origin, key(one), one.client);
    }
    if (!complete) return;
    const told = new Set(streams.map(key));
    for (const publication of [...origin.streams.values()]) {
      if (!told.has(publication.key)) registry.withdraw(publication);
    }
  }

  #streams(query: ReadonlyMap<string, string>) {
    const start = count(query.get('start'), 0, Number.MAX_SAFE_INTEGER);
    const wanted = count(query.get('count'), MAX_PAGE, MAX_PAGE);
    const { registry } = this.#manager;
    const streams = [];
    let at = 0;
    for (const publications of registry.streams.values()) {
      for (const { key, origin, client, since } of publications) {
        if (at++ < start) continue;
        if (streams.length === wanted) return { streams };
        streams.push({ ...partsOf(key), origin: origin.key, client, since, alive: registry.isAlive(origin) });
      }
    }
    return { streams };
  }

  #origins() {
    const { registry } = this.#manager;
    const now = performance.now();
    return [...registry.origins.values()].map((origin) => ({
      rtmp: origin.key,
      api: origin.api ?? null,
      service: origin.service ?? null,
      alive: registry.isAlive(origin, now),
      seen_ms_ago: Math.round(now - origin.seenAt),
      expires_ms: origin.ttlMs,
      streams: origin.streams.size,
    }));
  }

  #list(method: string, response: ServerResponse, body: object): void {
    if (method !== 'GET') throw new HttpError(405, 'expected GET');
    this.#answer(response, 200, { code: 0, ...body });
  }

  #answer(response: ServerResponse, status: number, body: { readonly code: number }): void {
    const { code, ...rest } = body;
    send(response, status, JSON.stringify({ code, ...this.#self, ...rest }));
  }

  #refuse(request: IncomingMessage, response: ServerResponse, error: unknown): void {
    const status = statusOf(error);
    if (status === 500) this.#manager.log(`failed: ${error instanceof Error ? error.stack : String(error)}`);
    const message = status === 500 ? 'internal error' : (error as Error).message;
    const body = JSON.stringify({ code: status, ...this.#self, message });
    if (status === 413) this.#sendBeforeRest(request, response, body);
    else send(response, status, body);
  }

  /**
   * Who is still sending reads the answer only if the connection is not reset under it (RFC 9112 9.6): for a while what
   * comes is thrown away.
   */
  #sendBeforeRest(request: IncomingMessage, response: ServerResponse, body: string): void {
    response.writeHead(413, {
      'Content-Type': 'application/json',
      'Content-Length': Buffer.byteLength(body),
      Connection: 'close',
    });
    response.write(body);
    let left = 4 * this.#manager.maxBody;
    const timer = setTimeout(() => request.destroy(), LINGER_MS);
    request.removeAllListeners('data');
    request.on('data', (chunk: Buffer) => {
      left -= chunk.length;
      if (left < 0) request.destroy();
    });
    request.on('end', () => response.end());
    request.on('close', () => clearTimeout(timer));
  }
}

function statusOf(error: unknown): number {
  if (error instanceof HttpError) return error.status;
  if (error instanceof BadReportError) return 400;
  return error instanceof RegistryFullError ? 503 : 500;
}

function isOther(known: string | undefined, told: string | undefined): boolean {
  return known !== undefined && told !== undefined && known !== told;
}

function send(response: ServerResponse, status: number, body: string, type = 'application/json'): void {
  response.writeHead(status, { 'Content-Type': type, 'Content-Length': Buffer.byteLength(body) });
  response.end(body);
}

function count(text: string | undefined, fallback: number, most: number): number {
  const value = Number.parseInt(text ?? '', 10);
  return Number.isInteger(value) && value >= 0 ? Math.min(value, most) : fallback;
}

function bodyOf(request: IncomingMessage, maxBytes: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const tooLarge = () => reject(new HttpError(413, `the body is above ${maxBytes} bytes`));
    if (Number(request.headers['content-length'] ?? 0) > maxBytes) return tooLarge();
    const chunks: Buffer[] = [];
    let size = 0;
    request.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size > maxBytes) tooLarge();
      else chunks.push(chunk);
    });
    request.on('end', () => resolve(Buffer.concat(chunks).toString()));
    request.on('error', reject);
    request.on('close', () => {
      if (!request.complete) reject(new HttpError(400, 'the request was broken off'));
    });
  });
}
