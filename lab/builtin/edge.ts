/** The edge: pulls what is played here from an origin, and passes what is published here on to one. */
import type { Message } from '../../protocols/rtmp/message-assembler.ts';
import { FORWARD_QUEUE_BYTES } from './constants.ts';
import { FrameKind } from './frame.ts';
import { framesOf } from './media-message.ts';
import type { MediaNode } from './node.ts';
import { Pull } from './pull.ts';
import { Push } from './push.ts';
import { namedVhost, paramWithoutVhost, requestUrl, withoutQuery } from './request-url.ts';
import type { Publication, PublishEvents, PublishRequest, Role } from './role.ts';
import type { Stream } from './stream.ts';

/** Mutant: how often an eager edge asks its origins what they have. */
const EAGER_POLL_MS = 500;

function isHeader(message: Message): boolean {
  let header = false;
  framesOf(message, ({ kind }) => {
    header ||= kind === FrameKind.audioHeader || kind === FrameKind.videoHeader;
  });
  return header;
}

export class Edge implements Role {
  readonly #node: MediaNode;
  readonly #pulls = new Map<Stream, Pull>();
  #nextOrigin = 0;

  constructor(node: MediaNode) {
    this.#node = node;
    if (node.config.origins.length === 0) throw new Error('an edge needs an origin');
    if (node.mutants.has('edge-pulls-eagerly')) setInterval(() => this.#pullEagerly(), EAGER_POLL_MS).unref();
  }

  onStream(stream: Stream): void {
    const pull = this.#sharedByMutant(stream) ?? new Pull(this.#node, stream);
    this.#pulls.set(stream, pull);
    stream.demand = pull;
  }

  onStreamGone(stream: Stream): void {
    const pull = this.#pulls.get(stream);
    this.#pulls.delete(stream);
    if (pull && ![...this.#pulls.values()].includes(pull)) pull.close();
  }

  /** One upstream of its own per publisher, to one origin; no failover and no buffering (facts/srs.md 1.7). */
  publish(
    { stream, app, streamName, tcUrl, client }: PublishRequest,
    events: PublishEvents,
  ): Publication | undefined {
    const { config, timeouts, mutants, log } = this.#node;
    const first = stream.publisher;
    if (first) {
      if (mutants.has('rtmp-double-publish-kicks-first')) first.socket.destroy();
      else if (!mutants.has('rtmp-double-publish-accepted')) return undefined;
    }
    stream.publisher = client;
    const { host, port } = config.origins[this.#nextOrigin++ % config.origins.length]!;
    const asked = requestUrl(tcUrl, app, streamName);
    const target = {
      host,
      port,
      app: withoutQuery(app),
      streamName: withoutQuery(streamName) + paramWithoutVhost(asked),
      vhost: namedVhost(asked),
    };
    const push = new Push(
      this.#node,
      { target, timeoutMs: timeouts.upstream, id: client.id },
      {
        onStarted: () => {
          log(`forwards ${stream.url} to ${host}:${port}`);
          events.onStarted();
        },
        onClosed: (reason) => events.onClosed(`origin ${host}:${port}: ${reason}`),
      },
    );
    return {
      onMessage: (message) => {
        if (mutants.has('edge-forwards-no-headers') && isHeader(message)) return;
        push.send(message);
        if (push.queued > FORWARD_QUEUE_BYTES) push.close('the origin does not keep up', 0);
      },
      close: () => {
        if (stream.publisher === client) stream.publisher = undefined;
        push.close('publisher left', 1000);
      },
    };
  }

  /** Mutant: any pull of the app will do. */
  #sharedByMutant(stream: Stream): Pull | undefined {
    if (!this.#node.mutants.has('edge-merges-streams-of-app')) return undefined;
    for (const [other, pull] of this.#pulls) {
      if (other.app !== stream.app) continue;
      pull.streams.push(stream);
      return pull;
    }
    return undefined;
  }

  /** Mutant: whatever an origin has is pulled. */
  async #pullEagerly(): Promise<void> {
    for (const { api } of this.#node.config.origins) {
      if (api === undefined) continue;
      try {
        const answer = await fetch(new URL('/api/v1/streams/?count=1000', api));
        const { streams } = (await answer.json()) as {
          streams: { app: string; name: string; publish: { active: boolean } }[];
        };
        for (const { app, name, publish } of streams) {
          if (publish.active) this.#pulls.get(this.#node.stream(`/${app}/${name}`))?.pullEagerly();
        }
      } catch {
        // The origin is down; asked again at the next turn.
      }
    }
  }
}
