/**
 * Signalling of WHIP (RFC 9725) and WHEP (draft-ietf-wish-whep): an offer is POSTed, its answer comes with 201, and what
 * Location names is DELETEd at the end.
 */
import { type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { SDP_LIMITS } from '../../protocols/sdp/description.ts';
import { type ByteStrip, type ByteTape, CloseReason, type HttpExchange } from '../client.ts';
import { targetOf } from '../http/url.ts';
import { mayLead, sourceFor } from '../loopback.ts';
import { wallClock } from '../measure/clock.ts';

const SDP_TYPE = 'application/sdp';
/** A server that does not answer a DELETE forgets us by itself. */
const DELETE_MS = 2000;
/**
 * Those that keep the method (RFC 9110 section 15.4; RFC 9725 section 4.5 asks for 307), and those that may; not 303,
 * which asks for a GET.
 */
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 307, 308]);

/** Codes of a handshake that failed, certificates that are not trusted among them (Node's documentation of tls). */
const TLS_ERROR =
  /^(?:ERR_TLS_|ERR_SSL_|EPROTO$|CERT_|CRL_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|HOSTNAME_MISMATCH|INVALID_)/;

export interface SignallingOptions {
  /** Sent as `Authorization: Bearer` (RFC 9725 section 4.7), to the first host only. */
  readonly token: string | undefined;
  readonly localAddress: string | undefined;
  readonly maxRedirects: number;
  /** Where redirects and Location may lead, beside the first host. */
  readonly allowHosts: readonly string[] | undefined;
  /** Default none. */
  readonly tape?: ByteTape | undefined;
}

export interface SignallingObserver {
  /** TCP (and TLS) is up, for the first request of all. */
  onSignallingOpen(at: number): void;
  /** The offer is written. */
  onOfferSent(at: number): void;
  /** Return false to go no further. */
  onSignallingRedirect(location: string, at: number): boolean;
  onSignallingExchange(exchange: HttpExchange): void;
  /** Something that is against the rules and can be borne: a stable slug. */
  onSignallingProblem(code: string, detail: string, at: number): void;
}

/** Why there is no answer. */
export class SignallingError extends Error {
  override readonly name = 'SignallingError';
  readonly reason: CloseReason;
  /** `http.404`, `tcp.econnrefused`, `redirect.remote`, `signalling.content-type`, … */
  readonly code: string;

  constructor(reason: CloseReason, code: string, detail: string) {
    super(detail);
    this.reason = reason;
    this.code = code;
  }
}

interface Response {
  readonly url: URL;
  readonly status: number;
  readonly reason: string;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: string;
}

export class Signalling {
  /** What to DELETE; undefined before the answer, and when there was no Location. */
  resource: URL | undefined;
  readonly #url: URL;
  readonly #options: SignallingOptions;
  readonly #observer: SignallingObserver;
  #request: ClientRequest | undefined;
  #aborted = false;

  constructor(url: URL, options: SignallingOptions, observer: SignallingObserver) {
    this.#url = url;
    this.#options = options;
    this.#observer = observer;
  }

  /**
   * The answer as text. Time is kept by the caller, who may `abort`.
   * @throws SignallingError
   */
  async post(offer: string): Promise<string> {
    let url = this.#url;
    for (let redirects = 0; ; ) {
      const response = await this.#exchange('POST', url, offer);
      const location = response.headers.get('location');
      if (!REDIRECTS.has(response.status) || location === undefined) return this.#answer(response);
      url = this.#redirected(location, url, ++redirects);
    }
  }

  /** Does nothing when there is nothing to DELETE. Never throws: its exchange is told to the observer. */
  async delete(): Promise<void> {
    const { resource } = this;
    if (resource === undefined) return;
    this.resource = undefined;
    const timer = setTimeout(() => this.#request?.destroy(new Error('no answer to DELETE')), DELETE_MS);
    try {
      const { status } = await this.#exchange('DELETE', resource, undefined);
      if (status < 200 || status > 299)
        this.#problem('signalling.delete', `${status} to DELETE ${resource.href}`);
    } catch (error) {
      this.#problem('signalling.delete', error instanceof Error ? error.message : String(error));
    } finally {
      clearTimeout(timer);
    }
  }

  /** Gives up a POST that is under way; it then never returns. */
  abort(): void {
    this.#aborted = true;
    this.#request?.destroy();
  }

  #problem(code: string, detail: string): void {
    this.#observer.onSignallingProblem(code, detail, wallClock.now());
  }

  #redirected(location: string, from: URL, redirects: number): URL {
    const { maxRedirects } = this.#options;
    const next = URL.canParse(location, from.href) ? new URL(location, from.href) : undefined;
    if (next === undefined || !/^https?:$/.test(next.protocol)) {
      const detail = `Location ${JSON.stringify(location)} is not an HTTP URL`;
      throw new SignallingError(CloseReason.redirect, 'redirect.location', detail);
    }
    if (redirects > maxRedirects) {
      const detail = `redirect ${redirects} to ${location}, ${maxRedirects} allowed`;
      throw new SignallingError(CloseReason.redirect, 'redirect.limit', detail);
    }
    this.#guard(next, 'redirect.remote');
    if (!this.#observer.onSignallingRedirect(next.href, wallClock.now())) this.#aborted = true;
    return next;
  }

  #guard(url: URL, code: string): void {
    if (mayLead(targetOf(this.#url).host, targetOf(url).host, this.#options.allowHosts)) return;
    const detail = `the server leads to ${url.hostname}, which is not allowed`;
    throw new SignallingError(CloseReason.redirect, code, detail);
  }

  #answer({ url, status, reason, headers, body }: Response): string {
    if (status < 200 || status > 299) {
      const said = body.trim().slice(0, 200);
      const detail = `the server answered ${status} ${reason} to ${url.href}${said === '' ? '' : `: ${said}`}`;
      throw new SignallingError(CloseReason.rejected, `http.${status}`, detail);
    }
    const location = headers.get('location');
    if (status !== 201) this.#problem('signalling.status', `${status}, not 201 Created (RFC 9725 4.2)`);
    if (location === undefined) this.#problem('signalling.location', '201 without Location (RFC 9725 4.2)');
    else if (!URL.canParse(location, url.href)) {
      this.#problem('signalling.location', `Location ${JSON.stringify(location)} is not a URL`);
    } else {
      const resource = new URL(location, url.href);
      this.#guard(resource, 'signalling.remote');
      if (/^https?:$/.test(resource.protocol)) this.resource = resource;
    }
    const type = (headers.get('content-type') ?? '').split(';')[0]!.trim().toLowerCase();
    if (type !== SDP_TYPE) {
      const detail = `Content-Type ${JSON.stringify(type)}, not ${SDP_TYPE} (RFC 9725 4.2)`;
      if (!body.startsWith('v=0'))
        throw new SignallingError(CloseReason.protocol, 'signalling.content-type', detail);
      this.#problem('signalling.content-type', detail);
    }
    return body;
  }

  #exchange(method: 'POST' | 'DELETE', url: URL, body: string | undefined): Promise<Response> {
    const { token } = this.#options;
    const localAddress = sourceFor(targetOf(url).host, this.#options.localAddress);
    const exchange = {
      kind: method === 'POST' ? ('offer' as const) : ('delete' as const),
      url: url.href,
      sentAt: Number.NaN,
      headAt: Number.NaN,
      firstByteAt: Number.NaN,
      endAt: Number.NaN,
      status: 0,
      headers: new Map<string, string>(),
      bytes: 0,
      error: undefined as string | undefined,
    };
    return new Promise<Response>((resolve, reject) => {
      const done = (failure: SignallingError | undefined): void => {
        if (!Number.isNaN(exchange.endAt)) return;
        exchange.endAt = wallClock.now();
        exchange.error = failure?.code ?? (exchange.status >= 400 ? `http.${exchange.status}` : undefined);
        this.#request = undefined;
        if (this.#aborted && method === 'POST') return;
        this.#observer.onSignallingExchange(exchange);
        if (failure !== undefined) reject(failure);
      };
      if (this.#aborted && method === 'POST') return;
      const request = (url.protocol === 'https:' ? httpsRequest : httpRequest)(url, {
        method,
        agent: false,
        ...(localAddress !== undefined && { localAddress }),
        headers: {
          'User-Agent': 'liveproof',
          Accept: `${SDP_TYPE}, */*;q=0.1`,
          ...(token !== undefined && url.host === this.#url.host && { Authorization: `Bearer ${token}` }),
          ...(body !== undefined && { 'Content-Type': SDP_TYPE, 'Content-Length': Buffer.byteLength(body) }),
        },
      });
      this.#request = request;
      const strip = this.#options.tape?.exchange();
      if (strip !== undefined) wroteRequest(strip, request, body);
      request.once('socket', (socket) => {
        const open = (): void => {
          if (method === 'POST' && !this.#aborted) this.#observer.onSignallingOpen(wallClock.now());
        };
        if (socket.connecting) socket.once(url.protocol === 'https:' ? 'secureConnect' : 'connect', open);
        else open();
      });
      request.once('finish', () => {
        exchange.sentAt = wallClock.now();
        if (method === 'POST' && !this.#aborted) this.#observer.onOfferSent(exchange.sentAt);
      });
      request.on('error', (error: NodeJS.ErrnoException) => done(networkError(error, exchange.headAt)));
      request.once('response', (response) => {
        exchange.headAt = wallClock.now();
        exchange.status = response.statusCode ?? 0;
        for (const [name, value] of Object.entries(response.headers)) {
          exchange.headers.set(name, Array.isArray(value) ? value.join(', ') : (value ?? ''));
        }
        if (strip !== undefined) readAnswer(strip, response);
        readBody(response, exchange, (text, failure) => {
          done(failure);
          if (text === undefined) request.destroy();
          else {
            const { status, headers } = exchange;
            resolve({ url, status, reason: response.statusMessage ?? '', headers, body: text });
          }
        });
      });
      request.end(body);
    });
  }
}

/** Without Connection, which Node adds of its own. */
function wroteRequest(strip: ByteStrip, request: ClientRequest, body = ''): void {
  const fields = request.getRawHeaderNames().map((name) => `${name}: ${request.getHeader(name)}\r\n`);
  const head = `${request.method} ${request.path} HTTP/1.1\r\n${fields.join('')}\r\n`;
  strip.wrote(Buffer.from(head + body));
}

function readAnswer(strip: ByteStrip, response: IncomingMessage): void {
  const { httpVersion, statusCode, statusMessage, rawHeaders } = response;
  let head = `HTTP/${httpVersion} ${statusCode} ${statusMessage}\r\n`;
  for (let at = 0; at < rawHeaders.length; at += 2) head += `${rawHeaders[at]}: ${rawHeaders[at + 1]}\r\n`;
  const bytes = Buffer.from(`${head}\r\n`, 'latin1');
  strip.read(bytes, bytes.length);
  response.on('data', (part: Buffer) => strip.read(part, part.length));
}

function readBody(
  response: IncomingMessage,
  exchange: { firstByteAt: number; bytes: number },
  done: (text: string | undefined, failure: SignallingError | undefined) => void,
): void {
  const parts: Buffer[] = [];
  response.on('data', (part: Buffer) => {
    if (exchange.bytes === 0) exchange.firstByteAt = wallClock.now();
    exchange.bytes += part.length;
    if (exchange.bytes <= SDP_LIMITS.maxLength) parts.push(part);
    else {
      const detail = `a body of more than ${SDP_LIMITS.maxLength} bytes`;
      done(undefined, new SignallingError(CloseReason.protocol, 'signalling.body', detail));
    }
  });
  response.once('end', () => done(Buffer.concat(parts).toString('utf8'), undefined));
  response.once('error', (error: NodeJS.ErrnoException) => done(undefined, networkError(error, 1)));
}

function networkError(error: NodeJS.ErrnoException, headAt: number): SignallingError {
  const code = error.code ?? 'failed';
  if (code.startsWith('HPE_'))
    return new SignallingError(CloseReason.protocol, 'http1.response', error.message);
  // What Node's TLS says of a certificate has no system call: OpenSSL's names (X509_V_ERR_…) or Node's own.
  if (error.syscall === undefined && TLS_ERROR.test(code))
    return new SignallingError(CloseReason.refused, `tls.${code.toLowerCase()}`, error.message);
  const refused = error.syscall === 'connect' || error.syscall === 'bind' || error.syscall === 'getaddrinfo';
  const reason =
    code === 'ETIMEDOUT' ? CloseReason.timeout : refused ? CloseReason.refused : CloseReason.reset;
  const slug = `tcp.${code.toLowerCase()}`;
  return new SignallingError(reason, refused || Number.isNaN(headAt) ? slug : `${slug}.body`, error.message);
}
