/** The system API, where origins register: `POST /api/v1/srs/register` (seeds/001, Register). */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { API_VERSION } from '../constants.ts';
import { requestWithin } from '../request-limit.ts';
import type { ProxyContext, ProxyPart } from './context.ts';
import { answerError, answerJson, listen, readBody } from './http-answer.ts';
import { Refusal } from './load-balancer.ts';
import { RegistrationError, readRegistration } from './registration.ts';

const PATH = /^\/api\/v1\/srs\/register\/?$/;
/** An SRS that tells its summaries, too, sends some 2 KB. */
const MAX_BODY = 64 * 1024;

export class SystemApi implements ProxyPart {
  readonly #context: ProxyContext;
  readonly #server: Server;
  /** To say it once when an origin is new. */
  readonly #known = new Map<string, number>();

  constructor(context: ProxyContext) {
    this.#context = context;
    this.#server = createServer(requestWithin(context.timeouts.httpRequest), (request, response) =>
      this.#serve(request, response),
    );
    this.#server.on('clientError', (_error, socket) => socket.destroy());
  }

  async start(): Promise<void> {
    await listen(this.#server, this.#context.environment.system);
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  #serve(request: IncomingMessage, response: ServerResponse): void {
    const path = (request.url ?? '').split('?', 1)[0]!;
    if (PATH.test(path)) {
      if (request.method === 'POST') {
        this.#register(request, response).catch(() => response.destroy());
        return;
      }
      response.setHeader('Allow', 'POST');
      answerError(response, 405, 'proxy.method', `${request.method} is not POST`);
    } else if (path === '/api/v1/versions') {
      answerJson(response, 200, { code: 0, pid: String(process.pid), data: API_VERSION });
    } else answerError(response, 404, 'proxy.not-found', `no ${path.slice(0, 100)} here`);
    request.resume();
  }

  async #register(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { balancer, mutants, metrics } = this.#context;
    const body = await readBody(request, MAX_BODY);
    const refuse = (result: string, status: number, code: string, reason: string): void => {
      metrics.registrations.inc({ result });
      this.#context.log(`registration refused: ${reason}`);
      answerError(response, status, code, reason);
    };
    if (!body) {
      refuse('refused', 413, 'proxy.register-size', `the body is above ${MAX_BODY} bytes`);
      return;
    }
    try {
      const backend = readRegistration(body.toString(), mutants);
      await balancer.register(backend);
      this.#tell(backend.id, backend.ip);
      metrics.registrations.inc({ result: 'accepted' });
    } catch (error) {
      if (error instanceof RegistrationError) {
        if (!(error.field && mutants.has('proxy-register-misses-nothing'))) {
          const code = error.field ? 'proxy.register-field' : 'proxy.register-json';
          refuse('refused', 400, code, error.message);
          return;
        }
      } else if (error instanceof Refusal) {
        refuse('unavailable', 503, error.code, error.message);
        return;
      } else throw error;
    }
    answerJson(response, 200, { code: 0, pid: String(process.pid) });
  }

  #tell(id: string, ip: string): void {
    const now = performance.now();
    if (now - (this.#known.get(id) ?? -Infinity) > this.#context.timeouts.alive) {
      this.#context.log(`origin ${id} at ${ip} registered`);
    }
    for (const [other, seenAt] of this.#known) {
      if (now - seenAt > this.#context.timeouts.alive) this.#known.delete(other);
    }
    this.#known.set(id, now);
  }
}
