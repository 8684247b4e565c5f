/**
 * Signalling of WHIP (RFC 9725) and WHEP (draft-ietf-wish-whep): an offer is POSTed, its answer comes with 201, and what
 * Location names is DELETEd at the end.
 */
import { type ByteTape, CloseReason, type HttpExchange } from '../client.ts';
import { targetOf } from '../http/url.ts';
import { mayLead } from '../loopback.ts';
import { wallClock } from '../measure/clock.ts';
import {
  SDP_TYPE,
  SignallingError,
  SignallingExchange,
  type SignallingRequest,
  type SignallingResponse,
} from './signalling-exchange.ts';

export { SignallingError } from './signalling-exchange.ts';

/** A server that does not answer a DELETE forgets us by itself. */
const DELETE_MS = 2000;
/**
 * Those that keep the method (RFC 9110 section 15.4; RFC 9725 section 4.5 asks for 307), and those that may; not 303,
 * which asks for a GET.
 */
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 307, 308]);

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

export class Signalling {
  /** What to DELETE; undefined before the answer, and when there was no Location. */
  resource: URL | undefined;
  readonly #url: URL;
  readonly #options: SignallingOptions;
  readonly #observer: SignallingObserver;
  /** The offer. */
  #underWay: SignallingExchange | undefined;
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
    try {
      const { status } = await this.#exchange('DELETE', resource, undefined);
      if (status < 200 || status > 299)
        this.#problem('signalling.delete', `${status} to DELETE ${resource.href}`);
    } catch (error) {
      this.#problem('signalling.delete', error instanceof Error ? error.message : String(error));
    }
  }

  /** Gives up a POST that is under way; it then never returns. */
  abort(): void {
    this.#aborted = true;
    this.#underWay?.abort();
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

  #answer({ url, status, reason, headers, body }: SignallingResponse): string {
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

  #exchange(
    method: SignallingRequest['method'],
    url: URL,
    body: string | undefined,
  ): Promise<SignallingResponse> {
    const { token, localAddress, tape } = this.#options;
    const isOffer = method === 'POST';
    const request = {
      ...{ method, url, body, localAddress, tape },
      token: takesToken(this.#url, url) ? token : undefined,
      timeoutMs: isOffer ? Number.POSITIVE_INFINITY : DELETE_MS,
    };
    return new Promise<SignallingResponse>((resolve, reject) => {
      if (isOffer && this.#aborted) return;
      const over = (): void => {
        this.#underWay = undefined;
        this.#observer.onSignallingExchange(exchange.record);
      };
      const exchange = new SignallingExchange(request, {
        onOpen: (at) => isOffer && this.#observer.onSignallingOpen(at),
        onSent: (at) => isOffer && this.#observer.onOfferSent(at),
        onResponse(response) {
          over();
          resolve(response);
        },
        onFailure(error) {
          over();
          reject(error);
        },
      });
      if (isOffer) this.#underWay = exchange;
      exchange.start();
    });
  }
}

/** Whether the token of an endpoint goes `to` there: to its host and port alone, and from TLS never to plain text. */
export function takesToken(endpoint: URL, to: URL): boolean {
  return to.host === endpoint.host && (to.protocol === endpoint.protocol || to.protocol === 'https:');
}
