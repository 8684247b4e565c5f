/** The origin: what is published here is played here, and handed to the outputs of the node. */
import { framesOf } from './media-message.ts';
import type { MediaNode } from './node.ts';
import type { Publication, PublishEvents, PublishRequest, Role } from './role.ts';

export class Origin implements Role {
  readonly #node: MediaNode;

  constructor(node: MediaNode) {
    this.#node = node;
  }

  onStream(): void {}

  onStreamGone(): void {}

  publish({ stream, streamName, client }: PublishRequest, events: PublishEvents): Publication | undefined {
    const { mutants, log } = this.#node;
    const first = stream.publisher;
    if (first) {
      const srt = client.type === 'srt-publish';
      if (mutants.has(srt ? 'srt-publisher-kicked' : 'rtmp-double-publish-kicks-first'))
        first.socket.destroy();
      else if (!mutants.has(srt ? 'srt-two-publishers' : 'rtmp-double-publish-accepted')) return undefined;
    }
    stream.publisher = client;
    if (!first) {
      stream.begin();
      stream.openOutputs(this.#node.outputsOf(stream, streamName));
    }
    log(`publish ${stream.url} client ${client.id}`);
    events.onStarted();
    return {
      onMessage: (message) => framesOf(message, (frame) => stream.push(frame)),
      close: () => {
        if (stream.publisher !== client || this.#staysBusy) return;
        stream.publisher = undefined;
        stream.closeOutputs();
        stream.closeFlvPlayers();
        if (!mutants.has('origin-keeps-gop-of-publisher')) stream.begin();
        log(`unpublish ${stream.url} client ${client.id}`);
      },
    };
  }

  /** Mutants. */
  get #staysBusy(): boolean {
    const { mutants } = this.#node;
    return mutants.has('origin-forgets-unpublish') || mutants.has('slave-refuses-second-publish-forever');
  }
}
