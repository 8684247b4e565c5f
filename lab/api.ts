/** The HTTP API of an SRS, or of a builtin node that serves the same form (facts/srs.md 3). */
import { z } from 'zod';
import type { ApiClient, ApiStream, ApiVersions, NodeApi } from './cluster.ts';
import { LabError, LabErrorCode } from './errors.ts';
import { requestText } from './http-request.ts';

const PAGE = 1000;
/** A page of 1000 clients is some 700 KB. */
const LIMITS = { timeoutMs: 5000, maxBody: 32 * 1024 * 1024 };

const envelope = z.object({ code: z.number() });
const versionsForm = z.object({
  server: z.string(),
  service: z.string(),
  pid: z.coerce.string(),
  data: z.object({ version: z.string() }),
});
const clientForm: z.ZodType<ApiClient> = z.object({
  id: z.string(),
  ip: z.string(),
  url: z.string(),
  name: z.string(),
  type: z.string(),
  publish: z.boolean(),
});
const streamForm: z.ZodType<ApiStream> = z.object({
  id: z.string(),
  name: z.string(),
  app: z.string(),
  url: z.string(),
  clients: z.number(),
  publish: z.object({ active: z.boolean(), cid: z.string().optional() }),
});

/** Every method rejects with `lab.api` when the node does not answer within 5 s, or answers in another form. */
export class HttpNodeApi implements NodeApi {
  readonly #node: string;
  readonly #host: string;
  readonly #port: number;

  constructor(node: string, host: string, port: number) {
    this.#node = node;
    this.#host = host;
    this.#port = port;
  }

  async versions(): Promise<ApiVersions> {
    const answer = this.#parse(versionsForm, await this.#request('GET', '/api/v1/versions'));
    return {
      server: answer.server,
      service: answer.service,
      pid: answer.pid,
      version: answer.data.version,
    };
  }

  clients(): Promise<ApiClient[]> {
    return this.#pages('clients', clientForm);
  }

  streams(): Promise<ApiStream[]> {
    return this.#pages('streams', streamForm);
  }

  /** Resolves with the code of the answer: 0 is done, 2049 is an unknown client (facts/srs.md 3.7). */
  async kick(clientId: string): Promise<number> {
    const answer = await this.#request('DELETE', `/api/v1/clients/${encodeURIComponent(clientId)}`);
    return this.#parse(envelope, answer).code;
  }

  async #pages<T extends { id: string }>(
    collection: 'clients' | 'streams',
    form: z.ZodType<T>,
  ): Promise<T[]> {
    const page = z.object({ [collection]: z.array(form) });
    // By id, because a client that leaves while pages are read moves the others.
    const found = new Map<string, T>();
    for (let start = 0; ; start += PAGE) {
      const answer = await this.#request('GET', `/api/v1/${collection}/?start=${start}&count=${PAGE}`);
      const items = this.#parse(page, answer)[collection] as T[];
      const before = found.size;
      for (const item of items) found.set(item.id, item);
      if (items.length < PAGE) return [...found.values()];
      if (found.size === before) throw this.#error(`tells the same ${collection} from ${start} on as before`);
    }
  }

  #parse<T>(form: z.ZodType<T>, answer: unknown): T {
    const result = form.safeParse(answer);
    if (result.success) return result.data;
    throw this.#error(`answered in another form: ${z.prettifyError(result.error)}`);
  }

  async #request(method: 'GET' | 'DELETE', path: string): Promise<unknown> {
    let body = '';
    try {
      body = await requestText({ host: this.#host, port: this.#port }, method, path, LIMITS);
      return JSON.parse(body);
    } catch (error) {
      const { message } = error as Error;
      const why = error instanceof SyntaxError ? `not JSON (${message}): ${body.slice(0, 80)}` : message;
      throw this.#error(`${method} ${path}: ${why}`, error);
    }
  }

  #error(message: string, cause?: unknown): LabError {
    return new LabError(LabErrorCode.Api, `${this.#node} at ${this.#host}:${this.#port}: ${message}`, {
      node: this.#node,
      cause,
    });
  }
}
