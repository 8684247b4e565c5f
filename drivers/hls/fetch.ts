/** One request of an HLS player with what may come of it: redirects, a refusal, a body, a failure; and the record of it. */
import { ProtocolError } from '../../protocols/errors.ts';
import { encodeRequest, type ResponseHead } from '../../protocols/http1/response-reader.ts';
import { type ClientOptions, CloseReason, type HttpExchange } from '../client.ts';
import type { HttpConnection, HttpFailure, HttpHandler } from '../http/connection.ts';
import type { HttpPool } from '../http/pool.ts';
import { REDIRECT_STATUSES, resolveHttpUrl, targetOf } from '../http/url.ts';
import { MAX_REDIRECTS, TIMEOUT_MS } from '../lifecycle.ts';
import { mayLead } from '../loopback.ts';
import { wallClock } from '../measure/clock.ts';

/** Bodies of refusals and redirects are read up to this, so that the connection can be kept. */
const MAX_IGNORED_BODY = 64 * 1024;

/** What the fetches of one player have in common. */
export interface FetchContext {
  readonly pool: HttpPool;
  readonly options: ClientOptions;
  /** Of the player's URL: what it names is there, too, or where the player may be led. */
  readonly host: string;
  onConnected(at: number): void;
  onSent(at: number): void;
  onResend(): void;
  /** A redirect is about to be followed. The player may be closed by it. */
  onRedirect(location: string, at: number): void;
}

export interface FetchRequest {
  /** As the playlist or the user named it. */
  readonly url: URL;
  /** The URL that goes out, when it is another one (CMCD as a query). */
  readonly sent?: URL;
  readonly headers?: Readonly<Record<string, string>>;
}

const FIELDS = { 'User-Agent': 'liveproof', Accept: '*/*' };

class Exchange implements HttpExchange {
  readonly kind: HttpExchange['kind'];
  url: string;
  sentAt = Number.NaN;
  headAt = Number.NaN;
  firstByteAt = Number.NaN;
  endAt = Number.NaN;
  status = 0;
  headers: ReadonlyMap<string, string> = new Map();
  bytes = 0;
  error: string | undefined = undefined;

  constructor(kind: HttpExchange['kind'], url: string) {
    this.kind = kind;
    this.url = url;
  }
}

/** One at a time; used again for the next request. */
export abstract class Fetch implements HttpHandler {
  readonly kind: HttpExchange['kind'];
  protected readonly context: FetchContext;
  protected exchange: Exchange;
  /** Where the present answer comes from. */
  protected location: URL | undefined = undefined;
  private headers: Readonly<Record<string, string>> | undefined = undefined;
  private redirects = 0;
  private connection: HttpConnection | undefined = undefined;
  /** Follow this, or fail with that, when the body of the present answer is over. */
  private next: URL | undefined = undefined;
  private refusal: HttpFailure | undefined = undefined;
  private active = false;

  constructor(kind: HttpExchange['kind'], context: FetchContext) {
    this.kind = kind;
    this.context = context;
    this.exchange = new Exchange(kind, '');
  }

  /** 200, or what else brings the body that was asked for. Throws ProtocolError. */
  protected abstract accepts(head: ResponseHead): boolean;
  /** Throws ProtocolError. */
  protected abstract body(bytes: Uint8Array, start: number, end: number, at: number): void;
  /** The body is whole. Throws ProtocolError. */
  protected abstract complete(at: number): void;
  /** Exactly once per request that was not aborted; the next may be started from it. */
  protected abstract done(exchange: HttpExchange, failure: HttpFailure | undefined): void;
  /** For the whole body, in ms. */
  protected get bodyMs(): number {
    return this.context.options.timeoutMs ?? TIMEOUT_MS;
  }

  get busy(): boolean {
    return this.active;
  }

  protected start({ url, sent, headers }: FetchRequest): void {
    this.active = true;
    this.redirects = 0;
    this.headers = headers;
    this.exchange = new Exchange(this.kind, url.href);
    this.request(url, sent ?? url);
  }

  abort(): void {
    if (!this.active) return;
    this.active = false;
    this.connection?.abort();
  }

  private request(url: URL, sent: URL): void {
    const { context } = this;
    this.location = url;
    this.next = undefined;
    this.refusal = undefined;
    this.connection = undefined;
    const target = targetOf(url);
    if (!mayLead(context.host, target.host, context.options.allowHosts)) {
      this.later({
        reason: CloseReason.redirect,
        code: 'redirect.remote',
        detail: `a playlist or a redirect leads to ${target.host}, which is not allowed`,
      });
      return;
    }
    const bytes = encodeRequest({
      method: 'GET',
      path: sent.pathname + sent.search,
      host: url.host,
      headers: this.headers === undefined ? FIELDS : { ...FIELDS, ...this.headers },
    });
    const headMs = context.options.timeoutMs ?? TIMEOUT_MS;
    this.connection = context.pool.send({ ...target, origin: url.origin }, bytes, this, {
      headMs,
      bodyMs: this.bodyMs,
    });
  }

  /** Nobody expects an answer before the question is asked. */
  private later(failure: HttpFailure): void {
    queueMicrotask(() => {
      if (this.active) this.finish(wallClock.now(), failure);
    });
  }

  private finish(at: number, failure: HttpFailure | undefined): void {
    const { exchange } = this;
    this.active = false;
    exchange.endAt = at;
    if (failure !== undefined) {
      exchange.error = failure.reason === CloseReason.timeout ? `timeout.${this.kind}` : failure.code;
      this.done(exchange, { ...failure, code: exchange.error });
    } else this.done(exchange, undefined);
  }

  onConnected(at: number): void {
    this.context.onConnected(at);
  }

  onSent(at: number): void {
    this.exchange.sentAt = at;
    this.context.onSent(at);
  }

  onResend(): void {
    this.context.onResend();
  }

  onHead(head: ResponseHead, at: number): void {
    const { exchange } = this;
    exchange.headAt = at;
    exchange.status = head.status;
    exchange.headers = head.headers;
    const location = head.headers.get('location');
    if (REDIRECT_STATUSES.has(head.status) && location !== undefined) this.redirected(location);
    else if (!this.accepts(head)) {
      this.refusal = {
        reason: CloseReason.rejected,
        code: `http.${head.status}`,
        detail: `the server answered ${head.status} ${head.reason} to ${exchange.url}`,
      };
    }
  }

  private redirected(location: string): void {
    const limit = this.context.options.maxRedirects ?? MAX_REDIRECTS;
    const next = resolveHttpUrl(location, this.location!);
    if (next === undefined) {
      this.refusal = {
        reason: CloseReason.redirect,
        code: 'redirect.location',
        detail: `Location ${JSON.stringify(location)} is not an HTTP URL`,
      };
    } else if (++this.redirects > limit) {
      this.refusal = {
        reason: CloseReason.redirect,
        code: 'redirect.limit',
        detail: `redirect ${this.redirects} to ${location}, ${limit} allowed`,
      };
    } else this.next = next;
  }

  onBody(bytes: Uint8Array, start: number, end: number, at: number): void {
    if (!this.active) return;
    const { exchange } = this;
    if (exchange.bytes === 0) exchange.firstByteAt = at;
    exchange.bytes += end - start;
    if (this.next === undefined && this.refusal === undefined) this.body(bytes, start, end, at);
    else if (exchange.bytes > MAX_IGNORED_BODY) {
      this.connection?.abort();
      this.over(at);
    }
  }

  /** The body has all that is wanted of it; the rest is not waited for. */
  protected enough(at: number): void {
    this.connection?.abort();
    this.onEnd(at);
  }

  onEnd(at: number): void {
    if (!this.active) return;
    if (this.next !== undefined || this.refusal !== undefined) {
      this.over(at);
      return;
    }
    try {
      this.complete(at);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.finish(at, { reason: CloseReason.protocol, code: error.code, detail: error.message });
      return;
    }
    this.finish(at, undefined);
  }

  private over(at: number): void {
    const next = this.next;
    if (next === undefined) {
      this.finish(at, this.refusal);
      return;
    }
    this.context.onRedirect(next.href, at);
    if (!this.active) return;
    this.exchange.bytes = 0;
    this.exchange.url = next.href;
    this.request(next, next);
  }

  onFailure(failure: HttpFailure, at: number): void {
    if (this.active) this.finish(at, failure);
  }
}
