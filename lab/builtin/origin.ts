/** The origin: what is published here is played here, and handed to the outputs of the node. */
import type { ClientType } from './clients.ts';
import { framesOf } from './media-message.ts';
import type { MutantId } from './mutants.ts';
import type { MediaNode } from './node.ts';
import type { Publication, PublishEvents, PublishRequest, Role } from './role.ts';

/** Mutants, by what the second publisher of a stream is: it throws the first out, or is let in beside it. */
function defectsOf(second: ClientType): { readonly kicks?: MutantId; readonly joins: MutantId } {
  switch (second) {
    case 'srt-publish':
      return { kicks: 'srt-publisher-kicked', joins: 'srt-two-publishers' };
    case 'rtc-publish':
      return { joins: 'whip-double-publish-accepted' };
    default:
      return { kicks: 'rtmp-double-publish-kicks-first', joins: 'rtmp-double-publish-accepted' };
  }
}

export class Origin implements Role {
  readonly #node: MediaNode;
  /** Publishers that have sent something. */
  #sources = 0;

  constructor(node: MediaNode) {
    this.#node = node;
  }

  onStream(): void {}

  onStreamGone(): void {}

  publish(request: PublishRequest, events: PublishEvents): Publication | undefined {
    const { stream, streamName, client } = request;
    const { mutants, log } = this.#node;
    const first = stream.publisher;
    if (first) {
      const { kicks, joins } = defectsOf(client.type);
      if (kicks && mutants.has(kicks)) first.socket.destroy();
      else if (!mutants.has(joins)) return undefined;
    }
    stream.publisher = client;
    if (!first) {
      stream.begin();
      stream.openOutputs(this.#node.outputsOf(stream, streamName));
    }
    log(`publish ${stream.url} client ${client.id}`);
    events.onStarted();
    let isSkipped: boolean | undefined;
    return {
      onMessage: (message) => {
        isSkipped ??= mutants.has('origin-serves-every-second-source') && this.#sources++ % 2 === 1;
        if (!isSkipped) framesOf(message, (frame) => stream.push(frame));
      },
      close: () => {
        if (stream.publisher !== client || this.#staysBusy) return;
        stream.publisher = undefined;
        stream.closeOutputs();
        stream.closeHttpPlayers();
        if (!mutants.has('origin-keeps-gop-of-publisher')) stream.begin();
        log(`unpublish ${stream.url} client ${client.id}`);
        this.#node.hooks?.onUnpublish(request);
      },
    };
  }

  /** Mutants. */
  get #staysBusy(): boolean {
    const { mutants } = this.#node;
    return mutants.has('origin-forgets-unpublish') || mutants.has('slave-refuses-second-publish-forever');
  }
}
