/** What all origins say over their HTTP APIs, together: which one said it, and which one did not answer (seeds/001, Protocols). */
import http from 'node:http';
import type { Backend } from './load-balancer.ts';

/** A page of 1000 clients of an SRS is some 700 KB. */
const MAX_BODY = 32 * 1024 * 1024;
const PAGE = 1000;
/** Pages of one origin. */
const MAX_PAGES = 200;

export type Body = Record<string, unknown>;

/** How an origin took part in an answer. */
export interface OriginAnswer {
  readonly id: string;
  readonly server: string;
  readonly service: string;
  readonly pid: string;
  readonly device_id?: string;
  readonly ip: string;
  /** Where its API is; null when it registered none. */
  readonly api: string | null;
  readonly answered: boolean;
  /** Why it did not. */
  readonly error?: string;
}

export interface Collected<T> {
  readonly origins: readonly OriginAnswer[];
  /** In the order of the origins. */
  readonly answers: readonly { readonly origin: string; readonly value: T }[];
}

type Asked<T> =
  | { readonly backend: Backend; readonly value: T }
  | { readonly backend: Backend; readonly error: string };

/** Asks all at once. */
export async function collect<T>(
  backends: readonly Backend[],
  ask: (backend: Backend) => Promise<T>,
): Promise<Collected<T>> {
  const asked = await Promise.all(
    backends.map(async (backend): Promise<Asked<T>> => {
      try {
        if (!backend.api) throw new Error('it registered no API');
        return { backend, value: await ask(backend) };
      } catch (error) {
        return { backend, error: (error as Error).message };
      }
    }),
  );
  return {
    origins: asked.map(({ backend, ...result }) => {
      const { id, server, service, pid, ip, deviceId, api } = backend;
      return {
        id,
        server,
        service,
        pid,
        ...(deviceId === undefined ? {} : { device_id: deviceId }),
        ip,
        api: api ? `${api.host}:${api.port}` : null,
        answered: 'value' in result,
        ...('error' in result ? { error: result.error } : {}),
      };
    }),
    answers: asked.flatMap((one) => ('value' in one ? [{ origin: one.backend.id, value: one.value }] : [])),
  };
}

/** Every entry of `streams` or `clients`, by their ids, since those that end move the others to another page. */
export async function allPages(backend: Backend, name: string, timeoutMs: number): Promise<Body[]> {
  const found = new Map<unknown, Body>();
  for (let page = 0; page < MAX_PAGES; page++) {
    const target = `/api/v1/${name}/?start=${page * PAGE}&count=${PAGE}`;
    const entries = listIn(await askApi(backend, 'GET', target, timeoutMs), name);
    for (const entry of entries) found.set(entry.id, entry);
    if (entries.length < PAGE) break;
  }
  return [...found.values()];
}

export function listIn(body: Body, name: string): Body[] {
  const list = body[name];
  if (!Array.isArray(list)) throw new Error(`it answered without ${name}`);
  return list.filter((entry): entry is Body => typeof entry === 'object' && entry !== null);
}

/** The answer of an origin's API; rejects when there is none, or it is no JSON object with code 0. */
export async function askApi(
  { api }: Backend,
  method: 'GET' | 'DELETE',
  path: string,
  timeoutMs: number,
): Promise<Body> {
  const body = await request(api!, method, path, timeoutMs);
  if (body.code !== 0) throw new Error(`it answered with code ${String(body.code)}`);
  return body;
}

function request(
  at: { readonly host: string; readonly port: number },
  method: string,
  path: string,
  timeoutMs: number,
): Promise<Body> {
  return new Promise((resolve, reject) => {
    // SRS keeps the socket of a keep-alive request for 15 s (facts/srs.md 3.1).
    const headers = { connection: 'close' };
    const asked = http.request({ ...at, method, path, agent: false, headers }, (response) => {
      const pieces: Buffer[] = [];
      let size = 0;
      response.on('data', (piece: Buffer) => {
        size += piece.length;
        if (size > MAX_BODY) asked.destroy(new Error(`it answered with more than ${MAX_BODY} bytes`));
        else pieces.push(piece);
      });
      response.on('error', reject);
      response.on('end', () => {
        if (response.statusCode !== 200)
          reject(new Error(`it answered with HTTP status ${response.statusCode}`));
        else resolve(parse(Buffer.concat(pieces).toString(), reject));
      });
    });
    const timer = setTimeout(() => asked.destroy(new Error(`no answer in ${timeoutMs} ms`)), timeoutMs);
    asked.on('close', () => clearTimeout(timer));
    asked.on('error', reject);
    asked.end();
  });
}

function parse(text: string, reject: (error: Error) => void): Body {
  try {
    const body: unknown = JSON.parse(text);
    if (typeof body === 'object' && body !== null) return body as Body;
  } catch {
    // Said below, as of JSON that is no object.
  }
  reject(new Error('it answered with something that is no JSON object'));
  return {};
}
