/** One HTTP request of a check, on a connection of its own: bounded, and told as an exchange. */
import { type IncomingMessage, request } from 'node:http';
import { wallClock } from '../../drivers/measure/clock.ts';
import type { ExchangeSeen } from '../history.ts';

/** Above this an answer is cut off, with the error `http.size`: a minute of 2 Mbit/s. */
const MAX_BODY = 16 * 2 ** 20;
/** From the request to the last byte; the error is `http.timeout`. */
const TIMEOUT_MS = 5000;

export interface FetchRequest {
  /** Default GET. */
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Default none. */
  readonly body?: string;
  /** Default what the system chooses. */
  readonly localAddress?: string;
  readonly signal: AbortSignal;
}

/** Never rejects: what went wrong is in `error`. */
export function fetchOnce(url: string, options: FetchRequest): Promise<ExchangeSeen & { body: Uint8Array }> {
  const method = options.method ?? 'GET';
  const sentAt = wallClock.now();
  const chunks: Buffer[] = [];
  let bytes = 0;
  let head: IncomingMessage | undefined;
  let headAt: number | null = null;
  let firstByteAt: number | null = null;
  return new Promise((resolve) => {
    const settle = (error: string | null) => {
      clearTimeout(timer);
      resolve({
        kind: kindOf(url),
        method,
        url,
        sentAt,
        headAt,
        firstByteAt,
        status: head?.statusCode ?? 0,
        headers: headersOf(head),
        bytes,
        error,
        body: Buffer.concat(chunks),
      });
    };
    const outgoing = request(url, {
      method,
      agent: false,
      headers: { ...options.headers },
      signal: options.signal,
      ...(options.localAddress === undefined ? {} : { localAddress: options.localAddress }),
    });
    const giveUp = (code: string) => {
      settle(code);
      outgoing.destroy();
    };
    const timer = setTimeout(() => giveUp('http.timeout'), TIMEOUT_MS);
    outgoing.on('error', (error: NodeJS.ErrnoException) => settle(`http.${error.code ?? error.message}`));
    outgoing.on('response', (response) => {
      head = response;
      headAt = wallClock.now();
      response.on('data', (chunk: Buffer) => {
        firstByteAt ??= wallClock.now();
        bytes += chunk.length;
        if (bytes > MAX_BODY) giveUp('http.size');
        else chunks.push(chunk);
      });
      response.on('end', () => settle(response.complete ? null : 'http.truncated'));
      response.on('error', () => settle('http.truncated'));
    });
    outgoing.end(options.body);
  });
}

export function kindOf(url: string): ExchangeSeen['kind'] {
  const path = new URL(url).pathname;
  if (path.endsWith('.m3u8')) return 'playlist';
  return path.endsWith('.ts') ? 'segment' : 'other';
}

/** Names in lower case; one that came more than once with its values joined by ", " (RFC 9110 5.3). */
function headersOf(head: IncomingMessage | undefined): Record<string, string> {
  const headers: Record<string, string> = {};
  const raw = head?.rawHeaders ?? [];
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = raw[i]!.toLowerCase();
    headers[name] = headers[name] === undefined ? raw[i + 1]! : `${headers[name]}, ${raw[i + 1]!}`;
  }
  return headers;
}
