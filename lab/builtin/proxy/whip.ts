/**
 * HTTP of WHIP (RFC 9725) and WHEP (draft-ietf-wish-whep) through the proxy, on the paths of SRS (facts/srs.md 9.1): an
 * offer goes to the origin of its stream, and in the answer the proxy's own candidate takes the place of the origin's.
 * What a Location names is at the origin that named it, whichever proxy is asked. All else passes on as it is.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { SDP_LIMITS } from '../../../protocols/sdp/description.ts';
import type { Mutants } from '../mutants.ts';
import type { ApiRoute, ProxyContext } from './context.ts';
import { answerError, readBody } from './http-answer.ts';
import { requestFields, responseFields } from './http-fields.ts';
import { type Backend, type Endpoint, Refusal, RefusalCode, streamUrlOf } from './load-balancer.ts';
import type { RtcRelay } from './rtc-relay.ts';
import { iceOf, isDescription, withCandidate } from './whip-answer.ts';
import { askOrigin, type OriginAnswer, OriginError } from './whip-origin.ts';

const PATH = /^\/rtc\/v1\/(whip|whep|whip-play)\/?$/;
/** SRS's, when the query does not say (facts/srs.md 9.1). */
const DEFAULT_APP = 'live';
const DEFAULT_STREAM = 'livestream';
const WILDCARDS: ReadonlySet<string> = new Set(['0.0.0.0', '::']);

interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly isPublish: boolean;
  /** Path, with the slash at its end that SRS wants, and query as it came. */
  readonly target: string;
  readonly streamUrl: string | undefined;
}

export class WhipProxy {
  readonly #context: ProxyContext;
  readonly #relay: RtcRelay;

  constructor(context: ProxyContext, relay: RtcRelay) {
    this.#context = context;
    this.#relay = relay;
  }

  readonly route: ApiRoute = (request, response, path, query) => {
    const kind = PATH.exec(path)?.[1];
    if (kind === undefined) return false;
    const search = (request.url ?? '').slice(path.length);
    const exchange: Exchange = {
      request,
      response,
      isPublish: kind === 'whip',
      target: `/rtc/v1/${kind}/${search}`,
      streamUrl: streamUrlIn(query, request.headers.host),
    };
    request.on('error', () => response.destroy());
    this.#serve(exchange).catch((error: unknown) => {
      // The client has gone in the middle of its request.
      if (request.destroyed && !request.complete) return;
      this.#context.log(`whip: ${error instanceof Error ? error.stack : error}`);
      this.#refuse(exchange, 500, 'internal', 'internal error');
    });
    return true;
  };

  async #serve(exchange: Exchange): Promise<void> {
    const { request } = exchange;
    const body = await readBody(request, SDP_LIMITS.maxLength);
    if (!body) {
      this.#refuse(exchange, 413, 'proxy.too-long', `more than ${SDP_LIMITS.maxLength} bytes`);
      return;
    }
    try {
      if (request.method === 'POST') await this.#post(exchange, body);
      else if (request.method === 'OPTIONS') await this.#options(exchange, body);
      else await this.#toSession(exchange, body);
    } catch (error) {
      if (error instanceof Refusal) this.#refuse(exchange, 503, error.code, error.message);
      else if (error instanceof OriginError) {
        this.#refuse(exchange, error.status, 'proxy.unreachable', error.message);
      } else throw error;
    }
  }

  async #post(exchange: Exchange, body: Buffer): Promise<void> {
    const { streamUrl, isPublish } = exchange;
    if (streamUrl === undefined) {
      this.#refuse(exchange, 400, 'proxy.no-stream', 'no app or no stream');
      return;
    }
    if (this.#relay.isFull) {
      this.#refuse(exchange, 503, 'proxy.too-many-sessions', 'too many WebRTC sessions');
      return;
    }
    const { balancer } = this.#context;
    let backend = await balancer.pick(streamUrl, { protocol: 'webrtc' });
    let answer: OriginAnswer;
    try {
      answer = await this.#ask(exchange, backend, body);
    } catch (error) {
      if (!(error instanceof OriginError && error.unsent && isPublish)) throw error;
      backend = await balancer.pick(streamUrl, { protocol: 'webrtc', instead: backend });
      answer = await this.#ask(exchange, backend, body);
    }
    await this.#created(exchange, backend, body, answer);
  }

  /** Asked before a POST, maybe: nothing is picked for it. */
  async #options(exchange: Exchange, body: Buffer): Promise<void> {
    const { balancer } = this.#context;
    const home = exchange.streamUrl === undefined ? undefined : await balancer.peek(exchange.streamUrl);
    const backend = home?.api ? home : (await balancer.backends()).find(({ api }) => api);
    if (!backend) throw new Refusal(RefusalCode.NoOrigin, 'no origin is alive');
    const answer = await this.#ask(exchange, backend, body);
    this.#respond(exchange, answer, answer.body, backend);
  }

  /** DELETE and PATCH of what a Location names; whatever else there may be goes to the origin of the stream. */
  async #toSession(exchange: Exchange, body: Buffer): Promise<void> {
    const { streamUrl, target, request } = exchange;
    const { balancer, mutants } = this.#context;
    const location = normalized(target);
    const session = this.#relay.find(location);
    let backend =
      session?.backend ??
      (await this.#relay.shared.originOf(location)) ??
      (streamUrl === undefined ? undefined : await balancer.peek(streamUrl));
    if (backend && mutants.has('proxy-whip-delete-elsewhere')) {
      backend = (await balancer.backends()).find(({ id }) => id !== backend?.id) ?? backend;
    }
    if (!backend) {
      this.#refuse(exchange, 404, 'proxy.no-session', 'no such session');
      return;
    }
    const answer = await this.#ask(exchange, backend, body);
    const isGone = request.method === 'DELETE' && (answer.status < 300 || answer.status === 404);
    if (session && isGone) this.#relay.end(session, 'DELETE');
    this.#respond(exchange, answer, this.#bodyOf(exchange, answer), backend);
  }

  #ask({ request, target }: Exchange, backend: Backend, body: Buffer): Promise<OriginAnswer> {
    const { environment, timeouts, mutants } = this.#context;
    if (!backend.api || !backend.rtc) {
      throw new Refusal(
        RefusalCode.NoEndpoint,
        `${backend.id} has no ${backend.api ? 'WebRTC' : 'HTTP API'}`,
      );
    }
    const method = request.method ?? 'GET';
    return askOrigin(
      backend.api,
      { method, target, headers: fieldsFor(request, method, body, mutants), body },
      environment.api.host,
      timeouts,
    );
  }

  async #created(exchange: Exchange, backend: Backend, offer: Buffer, answer: OriginAnswer): Promise<void> {
    const { request, response, streamUrl, target } = exchange;
    const location = locationOf(answer, target);
    const local = iceOf(answer.body.toString());
    const remote = iceOf(offer.toString());
    const isSession = answer.status >= 200 && answer.status < 300 && local && remote;
    if (isSession && response.destroyed) {
      // The client has gone: nobody else will end what it has begun.
      if (location !== undefined) await this.#abandon(location, backend, request);
      return;
    }
    if (isSession) {
      const username = `${local.ufrag}:${remote.ufrag}`;
      const fields = { username, pwd: local.pwd, backend, streamUrl: streamUrl!, location };
      await this.#relay.shared.tell(this.#relay.open(fields));
    }
    this.#respond(exchange, answer, this.#bodyOf(exchange, answer), backend);
  }

  async #abandon(location: string, backend: Backend, request: IncomingMessage): Promise<void> {
    const { environment, timeouts, mutants } = this.#context;
    const body = Buffer.alloc(0);
    const headers = fieldsFor(request, 'DELETE', body, mutants);
    const removal = { method: 'DELETE', target: location, headers, body };
    await askOrigin(backend.api!, removal, environment.api.host, timeouts);
  }

  #bodyOf({ request }: Exchange, answer: OriginAnswer): Buffer {
    if (!isDescription(answer.message.headers['content-type'])) return answer.body;
    if (this.#context.mutants.has('proxy-rtc-candidate-kept')) return answer.body;
    return Buffer.from(withCandidate(answer.body.toString(), this.#candidate(request)));
  }

  /**
   * Where the client is to send its media: where the environment says, for a proxy behind an address that is not its own,
   * else to the address that it has reached over HTTP, or the only one that listens.
   */
  #candidate(request: IncomingMessage): Endpoint {
    const { webrtc, candidate } = this.#context.environment;
    const { host, port } = webrtc;
    if (candidate !== undefined) return { host: candidate, port };
    if (!WILDCARDS.has(host)) return { host, port };
    return { host: (request.socket.localAddress ?? host).replace(/^::ffff:/, ''), port };
  }

  #respond({ request, response }: Exchange, answer: OriginAnswer, body: Buffer, { api }: Backend): void {
    const { mutants } = this.#context;
    const isEmpty = answer.status === 204 || answer.status === 304 || request.method === 'HEAD';
    const length = isEmpty ? undefined : body.length;
    const fields = responseFields(answer.message, request, api!, mutants, length);
    if (mutants.has('proxy-whip-loses-location')) remove(fields, 'location');
    const status = mutants.has('proxy-whip-status-200') ? 200 : answer.status;
    response.writeHead(status, answer.message.statusMessage, fields);
    response.end(isEmpty ? undefined : body);
  }

  #refuse({ request, response }: Exchange, status: number, code: string, reason: string): void {
    request.resume();
    this.#context.metrics.error('webrtc', code);
    if (response.headersSent || response.destroyed) return;
    // Pages may read why.
    response.setHeader('Access-Control-Allow-Origin', '*');
    answerError(response, status, code, reason);
  }
}

function streamUrlIn(query: URLSearchParams, authority: string | undefined): string | undefined {
  const vhost = query.get('vhost') ?? '';
  return streamUrlOf({
    host: (authority ?? '').replace(/:\d*$/, '').replace(/^\[|\]$/g, ''),
    ...(vhost !== '' && { vhost }),
    app: query.get('app') ?? DEFAULT_APP,
    stream: (query.get('stream') ?? DEFAULT_STREAM).replace(/\?.*/s, ''),
  });
}

function fieldsFor(
  request: IncomingMessage,
  method: string,
  body: Buffer,
  mutants: Mutants,
): Record<string, string | string[]> {
  const fields = requestFields(request, { bodiless: true, rewritten: true }, mutants);
  if (method === 'DELETE' && body.length === 0) remove(fields, 'content-type');
  if (mutants.has('proxy-whip-drops-token')) remove(fields, 'authorization');
  return { ...fields, 'Content-Length': String(body.length) };
}

function remove(fields: Record<string, unknown>, name: string): void {
  for (const field of Object.keys(fields)) if (field.toLowerCase() === name) delete fields[field];
}

/** As a client will ask for it: URLs are written in one way. */
function normalized(target: string): string {
  const { pathname, search } = new URL(target, 'http://proxy');
  return `${pathname}${search}`;
}

/** Path and query of Location; undefined when there is none, or it is no URL. */
function locationOf({ message }: OriginAnswer, target: string): string | undefined {
  const { location } = message.headers;
  if (location === undefined || !URL.canParse(location, `http://proxy${target}`)) return undefined;
  return normalized(new URL(location, `http://proxy${target}`).href);
}
