/** Who is told of publishers, and may refuse them: SRS's http_hooks (facts/srs.md 10.5). */
import { requestText } from '../http-request.ts';
import type { HooksConfig } from './config.ts';
import type { MediaNode } from './node.ts';
import { DEFAULT_VHOST, requestUrl, withoutQuery } from './request-url.ts';
import type { PublishRequest } from './role.ts';

const MAX_ANSWER_BYTES = 64 * 1024;

export class Hooks {
  readonly #node: MediaNode;
  readonly #config: HooksConfig;
  /** The latest call of each stream: the next one waits for it, so that they arrive in order. */
  readonly #latest = new Map<string, Promise<unknown>>();

  constructor(node: MediaNode, config: HooksConfig) {
    this.#node = node;
    this.#config = config;
  }

  /** Resolves when the publisher is let in; rejects with why not: refused, or no answer. */
  onPublish(request: PublishRequest): Promise<void> {
    return this.#call('on_publish', this.#config.onPublish, request);
  }

  /** Nobody waits for it, and its answer means nothing. */
  onUnpublish(request: PublishRequest): void {
    this.#call('on_unpublish', this.#config.onUnpublish, request).catch((error: Error) =>
      this.#node.log(`${request.stream.url}: ${error.message}`),
    );
  }

  /** A publisher of this stream waits for its answer: the stream is in use, whatever it looks like. */
  isAsked(streamUrl: string): boolean {
    return this.#latest.has(streamUrl);
  }

  /** The publisher has left before it was let in. */
  onLeft(request: PublishRequest): void {
    if (!request.stream.publisher) this.onUnpublish(request);
  }

  #call(action: 'on_publish' | 'on_unpublish', url: string, request: PublishRequest): Promise<void> {
    const { url: stream } = request.stream;
    const before = this.#latest.get(stream) ?? Promise.resolve();
    const call = before.catch(() => {}).then(() => this.#post(action, url, request));
    this.#latest.set(stream, call);
    const forget = (): void => {
      if (this.#latest.get(stream) === call) this.#latest.delete(stream);
    };
    call.then(forget, forget);
    return call;
  }

  async #post(action: string, url: string, request: PublishRequest): Promise<void> {
    const { hostname, port, pathname, search } = new URL(url);
    const at = { host: hostname, port: Number(port || 80) };
    const limits = { timeoutMs: this.#node.timeouts.hook, maxBody: MAX_ANSWER_BYTES };
    const body = JSON.stringify(this.#body(action, request));
    const answer = await requestText(at, 'POST', `${pathname}${search}`, limits, body).catch(
      (error: Error) => {
        throw new Error(`${action}: ${error.message}`);
      },
    );
    if (!isConsent(answer)) throw new Error(`${action} (code 3064): ${answer.slice(0, 200)}`);
  }

  #body(action: string, { stream, app, streamName, tcUrl, client }: PublishRequest): Record<string, unknown> {
    return {
      server_id: this.#node.serverId,
      service_id: this.#node.serviceId,
      action,
      client_id: client.id,
      ip: client.ip,
      vhost: DEFAULT_VHOST,
      app: withoutQuery(app),
      tcUrl,
      stream: withoutQuery(streamName),
      param: requestUrl(tcUrl, app, streamName).param,
      stream_url: stream.url,
      stream_id: stream.id,
    };
  }
}

/** `0`, or an object whose `code` is 0. */
function isConsent(answer: string): boolean {
  try {
    const value: unknown = JSON.parse(answer);
    return (
      value === 0 || (typeof value === 'object' && value !== null && 'code' in value && value.code === 0)
    );
  } catch {
    return false;
  }
}
