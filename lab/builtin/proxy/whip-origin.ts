/** One request of WHIP or WHEP to the HTTP API of an origin. */
import { request as httpRequest, type IncomingMessage } from 'node:http';
import type { Endpoint } from './load-balancer.ts';
import { sourceAddress } from './udp.ts';

/** Of an answer; a description has less than 64 KiB (SDP_LIMITS). */
const MAX_ANSWER = 1024 * 1024;

export interface OriginRequest {
  readonly method: string;
  /** Path and query. */
  readonly target: string;
  readonly headers: Readonly<Record<string, string | string[]>>;
  readonly body: Buffer;
}

export interface OriginAnswer {
  readonly status: number;
  /** Its head. */
  readonly message: IncomingMessage;
  readonly body: Buffer;
}

/** There is no answer. */
export class OriginError extends Error {
  override readonly name = 'OriginError';
  /** 502, or 504 when it took too long. */
  readonly status: 502 | 504;
  /** The origin has not got the request: it can be sent to another one. */
  readonly unsent: boolean;

  constructor(status: 502 | 504, unsent: boolean, message: string) {
    super(message);
    this.status = status;
    this.unsent = unsent;
  }
}

/**
 * @param listensAt address of the proxy.
 * @throws OriginError
 */
export function askOrigin(
  api: Endpoint,
  { method, target, headers, body }: OriginRequest,
  listensAt: string,
  timeouts: { readonly connect: number; readonly answer: number },
): Promise<OriginAnswer> {
  const localAddress = sourceAddress(listensAt, api.host);
  const at = `${api.host}:${api.port}`;
  return new Promise((resolve, reject) => {
    let connected = false;
    let late = false;
    const request = httpRequest({
      ...api,
      method,
      path: target,
      agent: false,
      setHost: false,
      headers: { ...headers, Connection: 'close' },
      ...(localAddress !== undefined && { localAddress }),
    });
    const expire = (): void => {
      late = true;
      request.destroy();
    };
    let timer = setTimeout(expire, timeouts.connect);
    request.on('socket', (socket) =>
      socket.once('connect', () => {
        connected = true;
        clearTimeout(timer);
        timer = setTimeout(expire, timeouts.answer);
      }),
    );
    const fail = (error: Error): void => {
      clearTimeout(timer);
      const why = late ? 'does not answer' : error.message;
      reject(new OriginError(late ? 504 : 502, !connected, `${at}: ${why}`));
    };
    request.on('error', fail);
    request.on('response', (response) => {
      const pieces: Buffer[] = [];
      let size = 0;
      response.on('data', (piece: Buffer) => {
        size += piece.length;
        pieces.push(piece);
        if (size > MAX_ANSWER) response.destroy(new Error(`more than ${MAX_ANSWER} bytes`));
      });
      response.on('error', fail);
      response.on('end', () => {
        clearTimeout(timer);
        resolve({ status: response.statusCode ?? 502, message: response, body: Buffer.concat(pieces) });
      });
    });
    request.end(body);
  });
}
