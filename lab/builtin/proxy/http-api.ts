/** The HTTP API port of the proxy: its own answers, what is collected of the origins, and the routes of its parts. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { API_VERSION } from '../constants.ts';
import type { ApiRoute, ProxyContext, ProxyPart } from './context.ts';
import { answerError, answerJson, listen } from './http-answer.ts';

export class HttpApi implements ProxyPart {
  readonly #context: ProxyContext;
  readonly #routes: readonly ApiRoute[];
  readonly #server: Server;

  constructor(context: ProxyContext, routes: readonly ApiRoute[]) {
    this.#context = context;
    this.#routes = routes;
    this.#server = createServer({ requestTimeout: context.timeouts.httpRequest }, (request, response) =>
      this.#serve(request, response),
    );
    this.#server.on('clientError', (_error, socket) => socket.destroy());
  }

  async start(): Promise<void> {
    await listen(this.#server, this.#context.environment.api);
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  #serve(request: IncomingMessage, response: ServerResponse): void {
    const { metrics } = this.#context;
    const [path = '', search = ''] = (request.url ?? '').split('?', 2);
    const query = new URLSearchParams(search);
    for (const route of this.#routes) if (route(request, response, path, query)) return;
    request.resume();
    if (path === '/metrics') {
      metrics.text().then(
        (text) => response.writeHead(200, { 'Content-Type': metrics.contentType }).end(text),
        () => response.destroy(),
      );
    } else if (path === '/api/v1/versions') {
      answerJson(response, 200, { code: 0, pid: String(process.pid), data: API_VERSION });
    } else answerError(response, 404, 'proxy.not-found', `no ${path.slice(0, 100)} here`);
  }
}
