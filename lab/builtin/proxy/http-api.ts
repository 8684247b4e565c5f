/** The HTTP API port of the proxy: its own answers, what is collected of the origins, and the routes of its parts. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { API_VERSION, SERVER_NAME } from '../constants.ts';
import { requestWithin } from '../request-limit.ts';
import { allPages, askApi, type Body, type Collected, collect, listIn } from './collect.ts';
import type { ApiRoute, ProxyContext, ProxyPart } from './context.ts';
import { answerError, answerJson, listen } from './http-answer.ts';
import { type Backend, Refusal } from './load-balancer.ts';

/** SRS's: a page has never fewer entries (facts/srs.md 3.1), and what is not there (3.7). */
const MIN_PAGE = 10;
const NotFound: Readonly<Record<string, number>> = { streams: 2048, clients: 2049 };

export class HttpApi implements ProxyPart {
  readonly #context: ProxyContext;
  readonly #routes: readonly ApiRoute[];
  readonly #server: Server;
  readonly #startedAt = Date.now();

  constructor(context: ProxyContext, routes: readonly ApiRoute[]) {
    this.#context = context;
    this.#routes = routes;
    this.#server = createServer(requestWithin(context.timeouts.httpRequest), (request, response) =>
      this.#serve(request, response),
    );
    this.#server.on('clientError', (_error, socket) => socket.destroy());
    this.#server.on('connection', (socket) => socket.on('close', context.metrics.connected('api')));
  }

  async start(): Promise<void> {
    await listen(this.#server, this.#context.environment.api);
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  #serve(request: IncomingMessage, response: ServerResponse): void {
    const [path = '', search = ''] = (request.url ?? '').split('?', 2);
    const query = new URLSearchParams(search);
    for (const route of this.#routes) if (route(request, response, path, query)) return;
    request.resume();
    this.#answer(request.method ?? 'GET', path, query, response).catch((error: unknown) => {
      if (error instanceof Refusal) answerError(response, 503, error.code, error.message);
      else response.destroy();
    });
  }

  async #answer(
    method: string,
    path: string,
    query: URLSearchParams,
    response: ServerResponse,
  ): Promise<void> {
    if (path === '/metrics' && method === 'GET') {
      await this.#metrics(response);
      return;
    }
    const match = /^\/api\/v1\/(versions|summaries|vhosts|streams|clients)(?:\/([^/]*))?$/.exec(path);
    const allowed = method === 'GET' || (method === 'DELETE' && match?.[1] === 'clients' && match[2]);
    if (!match) answerError(response, 404, 'proxy.not-found', `no ${path.slice(0, 100)} here`);
    else if (!allowed) answerError(response, 405, 'proxy.method', `no ${method} here`);
    else {
      const [, name = '', id = ''] = match;
      const body = await this.#collected(method as 'GET' | 'DELETE', name, id, query);
      answerJson(response, 200, { code: 0, ...this.#identity(), ...body });
    }
  }

  async #metrics(response: ServerResponse): Promise<void> {
    const { balancer, metrics } = this.#context;
    const alive = await balancer.backends().catch(() => []);
    metrics.backends.set(alive.length);
    const text = await metrics.text();
    response.writeHead(200, { 'Content-Type': metrics.contentType }).end(text);
  }

  /** As SRS names itself; both change with every start. */
  #identity(): Body {
    const { name } = this.#context.environment;
    return { server: name, service: `${name}-${process.pid}-${this.#startedAt}`, pid: String(process.pid) };
  }

  async #collected(
    method: 'GET' | 'DELETE',
    name: string,
    id: string,
    query: URLSearchParams,
  ): Promise<Body> {
    if (name === 'versions') return { data: { ...API_VERSION, proxy: SERVER_NAME } };
    const backends = await this.#context.balancer.backends();
    if (id !== '') return this.#entry(backends, method, name, id);
    if (name === 'summaries') return this.#summaries(backends);
    const { reply: timeoutMs } = this.#context.timeouts;
    const found = await collect(backends, async (backend) =>
      name === 'vhosts'
        ? listIn(await askApi(backend, 'GET', '/api/v1/vhosts/', timeoutMs), name)
        : allPages(backend, name, timeoutMs),
    );
    const entries = found.answers.flatMap(({ origin, value }) =>
      value.map((entry) => ({ ...entry, origin })),
    );
    return { origins: found.origins, total: entries.length, [name]: page(entries, query) };
  }

  /** One entry, of the origin that has it. */
  async #entry(
    backends: readonly Backend[],
    method: 'GET' | 'DELETE',
    name: string,
    id: string,
  ): Promise<Body> {
    const { reply: timeoutMs } = this.#context.timeouts;
    const found = await collect(backends, (backend) =>
      askApi(backend, method, `/api/v1/${name}/${id}`, timeoutMs),
    );
    const first = found.answers[0];
    if (!first) return { code: NotFound[name] ?? 404, origins: found.origins };
    const { code: _code, server: _server, service: _service, pid: _pid, ...rest } = first.value;
    return { ...rest, origin: first.origin };
  }

  async #summaries(backends: readonly Backend[]): Promise<Body> {
    const { reply: timeoutMs } = this.#context.timeouts;
    const found: Collected<Body> = await collect(backends, (backend) =>
      askApi(backend, 'GET', '/api/v1/summaries', timeoutMs),
    );
    const now = Date.now();
    return {
      origins: found.origins,
      data: {
        ok: found.origins.every(({ answered }) => answered),
        now_ms: now,
        self: {
          version: API_VERSION.version,
          pid: process.pid,
          ppid: process.ppid,
          mem_kbyte: Math.round(process.memoryUsage.rss() / 1024),
          srs_uptime: Math.floor((now - this.#startedAt) / 1000),
        },
        origins: found.answers.map(({ origin, value }) => ({ origin, data: value.data })),
      },
    };
  }
}

function page<T>(entries: readonly T[], query: URLSearchParams): T[] {
  const start = Math.max(0, Number.parseInt(query.get('start') ?? '0', 10) || 0);
  const count = Math.max(MIN_PAGE, Number.parseInt(query.get('count') ?? '0', 10) || 0);
  return entries.slice(start, start + count);
}
