/** Passes one HTTP request on to an origin, and its answer back, as they come (RFC 9110 section 7.6). */
import http, { type ClientRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import type { ProxyContext } from './context.ts';
import { answerError, readBody } from './http-answer.ts';
import { requestFields, responseFields } from './http-fields.ts';
import type { Endpoint } from './load-balancer.ts';

export interface ForwardOptions {
  readonly endpoint: Endpoint;
  /** Path and query. */
  readonly target: string;
  /** From TCP to the head of the answer, in ms. Default none: a live stream that has not begun has no head yet. */
  readonly answerMs?: number;
  /**
   * Makes another body of a 200 that is not encoded. The answer is then held until it is whole.
   * @param maxBytes a longer one gets a 502.
   */
  readonly rewrite?: { readonly maxBytes: number; body(text: string): string };
  /** The origin, or the client, has gone; called once. */
  onEnd?(): void;
}

/** A request without body; whatever the client sends there is thrown away. */
const BODILESS = ['GET', 'HEAD', 'OPTIONS', 'DELETE'];

export function forward(
  context: ProxyContext,
  request: IncomingMessage,
  response: ServerResponse,
  options: ForwardOptions,
): void {
  new Forward(context, request, response, options);
}

class Forward {
  readonly #context: ProxyContext;
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #options: ForwardOptions;
  readonly #upstream: ClientRequest;
  #timer: NodeJS.Timeout | undefined;
  #ended = false;

  constructor(
    context: ProxyContext,
    request: IncomingMessage,
    response: ServerResponse,
    options: ForwardOptions,
  ) {
    this.#context = context;
    this.#request = request;
    this.#response = response;
    this.#options = options;
    const bodiless = BODILESS.includes(request.method ?? 'GET');
    const { host, port } = options.endpoint;
    this.#upstream = http.request({
      host,
      port,
      method: request.method,
      path: options.target,
      // Nothing is shared: the end of either side is the end of the other.
      agent: false,
      setHost: false,
      headers: requestFields(
        request,
        { bodiless, rewritten: options.rewrite !== undefined },
        context.mutants,
      ),
    });
    this.#watchTime();
    this.#upstream.setNoDelay(true);
    this.#upstream.on('response', (answer) => this.#onAnswer(answer));
    this.#upstream.on('error', (error: NodeJS.ErrnoException) => this.#fail(502, error.message));
    response.on('close', () => this.#onClientGone());
    if (bodiless) {
      request.resume();
      this.#upstream.end();
    } else {
      request.on('data', (bytes: Buffer) => context.metrics.bytes('http', 'up', bytes.length));
      request.pipe(this.#upstream);
    }
  }

  /** TCP has its own bound; an origin that is frozen accepts and is silent. */
  #watchTime(): void {
    const { connect } = this.#context.timeouts;
    this.#timer = setTimeout(() => this.#fail(504, `no connection in ${connect} ms`), connect);
    this.#upstream.on('socket', (socket) =>
      socket.on('connect', () => {
        clearTimeout(this.#timer);
        const { answerMs } = this.#options;
        if (answerMs === undefined || this.#ended) return;
        this.#timer = setTimeout(() => this.#fail(504, `no answer in ${answerMs} ms`), answerMs);
      }),
    );
  }

  #onAnswer(answer: IncomingMessage): void {
    clearTimeout(this.#timer);
    answer.on('error', () => this.#fail(502, 'the answer broke off'));
    answer.on('data', (bytes: Buffer) => this.#context.metrics.bytes('http', 'down', bytes.length));
    const { rewrite } = this.#options;
    if (
      rewrite &&
      answer.statusCode === 200 &&
      !answer.headers['content-encoding'] &&
      this.#request.method === 'GET'
    ) {
      this.#rewrite(answer, rewrite).catch(() => this.#fail(502, 'the answer broke off'));
      return;
    }
    try {
      this.#writeHead(answer);
    } catch (error) {
      // Node reads heads that it does not write: any three digits are a status, and a reason is any characters.
      this.#fail(502, (error as Error).message);
      return;
    }
    this.#response.flushHeaders();
    answer.pipe(this.#response);
    answer.on('end', () => this.#end());
  }

  async #rewrite(
    answer: IncomingMessage,
    { maxBytes, body }: NonNullable<ForwardOptions['rewrite']>,
  ): Promise<void> {
    const whole = await readBody(answer, maxBytes);
    if (!whole) {
      this.#fail(502, `the answer is above ${maxBytes} bytes`);
      return;
    }
    if (this.#ended) return;
    const bytes = Buffer.from(body(whole.toString()));
    this.#writeHead(answer, bytes.length);
    this.#response.end(bytes);
    this.#end();
  }

  #writeHead(answer: IncomingMessage, length?: number): void {
    const { mutants } = this.#context;
    const status = mutants.has('proxy-status-200') ? 200 : (answer.statusCode ?? 502);
    const fields = responseFields(answer, this.#request, this.#options.endpoint, mutants, length);
    this.#response.writeHead(status, status === 200 ? undefined : answer.statusMessage, fields);
  }

  /** Before the head has gone out there is an answer that says why; after it only the connection can tell. */
  #fail(status: number, reason: string): void {
    if (this.#ended) return;
    const { host, port } = this.#options.endpoint;
    this.#context.metrics.error('http', status === 504 ? 'timeout' : 'unreachable');
    this.#end();
    this.#upstream.destroy();
    if (this.#response.headersSent) this.#response.destroy();
    else answerError(this.#response, status, 'proxy.origin', `origin ${host}:${port}: ${reason}`);
  }

  #onClientGone(): void {
    if (this.#context.mutants.has('proxy-keeps-backend')) return;
    this.#upstream.destroy();
    this.#end();
  }

  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    clearTimeout(this.#timer);
    this.#options.onEnd?.();
  }
}
