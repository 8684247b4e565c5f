/** One request of signalling and its answer, on a connection of its own that is closed after it. */
import { encodeRequest, type ResponseHead } from '../../protocols/http1/response-reader.ts';
import { SDP_LIMITS } from '../../protocols/sdp/description.ts';
import { type ByteTape, CloseReason, type HttpExchange } from '../client.ts';
import { HttpConnection, type HttpFailure, type HttpHandler } from '../http/connection.ts';
import { targetOf } from '../http/url.ts';

export const SDP_TYPE = 'application/sdp';

/** Codes of a handshake that failed, certificates that are not trusted among them (Node's documentation of tls). */
const TLS_ERROR =
  /^tcp\.(?:err_tls_|err_ssl_|eproto$|cert_|crl_|depth_zero_|self_signed_|unable_to_|hostname_mismatch|invalid_)/;

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

export interface SignallingRequest {
  readonly method: 'POST' | 'DELETE';
  readonly url: URL;
  /** SDP; undefined for none. */
  readonly body: string | undefined;
  /** Sent as `Authorization: Bearer`. */
  readonly token: string | undefined;
  readonly localAddress: string | undefined;
  readonly tape: ByteTape | undefined;
  /** For the head and for the body, in ms each. Infinity when the owner keeps the time. */
  readonly timeoutMs: number;
}

export interface SignallingResponse {
  readonly url: URL;
  readonly status: number;
  readonly reason: string;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: string;
}

/** Exactly one of `onResponse` and `onFailure`, once, unless the exchange was aborted. */
export interface ExchangeObserver {
  /** TCP (and TLS) is up. */
  onOpen(at: number): void;
  /** The request is written. */
  onSent(at: number): void;
  onResponse(response: SignallingResponse): void;
  onFailure(error: SignallingError): void;
}

export class SignallingExchange implements HttpHandler {
  /** What is told of it; whole when it is over. */
  readonly record: { -readonly [name in keyof HttpExchange]: HttpExchange[name] };
  private readonly request: SignallingRequest;
  private readonly observer: ExchangeObserver;
  private readonly connection: HttpConnection;
  private readonly parts: Uint8Array[] = [];
  private reason = '';

  constructor(request: SignallingRequest, observer: ExchangeObserver) {
    this.request = request;
    this.observer = observer;
    this.connection = new HttpConnection(request.localAddress, request.tape);
    this.record = {
      kind: request.method === 'POST' ? 'offer' : 'delete',
      url: request.url.href,
      sentAt: Number.NaN,
      headAt: Number.NaN,
      firstByteAt: Number.NaN,
      endAt: Number.NaN,
      status: 0,
      headers: new Map(),
      bytes: 0,
      error: undefined,
    };
  }

  /** @throws ProtocolError HttpHeader for a token that breaks out of its line. */
  start(): void {
    const { method, url, body, token, timeoutMs } = this.request;
    const headers = {
      'User-Agent': 'liveproof',
      Accept: `${SDP_TYPE}, */*;q=0.1`,
      ...(token !== undefined && { Authorization: `Bearer ${token}` }),
      ...(body !== undefined && { 'Content-Type': SDP_TYPE }),
      Connection: 'close',
    };
    const request = encodeRequest({
      ...{ method, path: url.pathname + url.search, host: url.host, headers },
      ...(body !== undefined && { body: Buffer.from(body) }),
    });
    const target = { ...targetOf(url), origin: url.origin };
    this.connection.send(target, request, this, { headMs: timeoutMs, bodyMs: timeoutMs });
  }

  /** Gives up: nobody is told anything more. */
  abort(): void {
    this.connection.abort();
  }

  onConnected(at: number): void {
    this.observer.onOpen(at);
  }

  onSent(at: number): void {
    this.record.sentAt = at;
    this.observer.onSent(at);
  }

  /** Of connections that were kept: this one carries one request. */
  onResend(): void {}

  onHead(head: ResponseHead, at: number): void {
    this.record.headAt = at;
    this.record.status = head.status;
    this.record.headers = head.headers;
    this.reason = head.reason;
  }

  onBody(bytes: Uint8Array, start: number, end: number, at: number): void {
    const { record } = this;
    if (record.bytes === 0) record.firstByteAt = at;
    record.bytes += end - start;
    if (record.bytes <= SDP_LIMITS.maxLength) {
      this.parts.push(bytes.slice(start, end));
      return;
    }
    this.connection.abort();
    const detail = `a body of more than ${SDP_LIMITS.maxLength} bytes`;
    this.failed(new SignallingError(CloseReason.protocol, 'signalling.body', detail), at);
  }

  onEnd(at: number): void {
    // A server that keeps the connection all the same is left.
    this.connection.abort(true);
    const { record, reason } = this;
    record.endAt = at;
    if (record.status >= 400) record.error = `http.${record.status}`;
    const { status, headers } = record;
    const body = Buffer.concat(this.parts).toString('utf8');
    this.observer.onResponse({ url: this.request.url, status, reason, headers, body });
  }

  onFailure({ reason, code, detail }: HttpFailure, at: number): void {
    const tls = TLS_ERROR.test(code);
    const slug = tls ? code.replace('tcp', 'tls') : code;
    const late = slug.startsWith('tcp.') && !Number.isNaN(this.record.headAt);
    this.failed(
      new SignallingError(tls ? CloseReason.refused : reason, late ? `${slug}.body` : slug, detail),
      at,
    );
  }

  private failed(error: SignallingError, at: number): void {
    this.record.endAt = at;
    this.record.error = error.code;
    this.observer.onFailure(error);
  }
}
