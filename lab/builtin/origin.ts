/** The origin: what is published here is played here. */
import type { Log } from './log.ts';
import { framesOf } from './media-message.ts';
import type { Mutants } from './mutants.ts';
import type { Publication, PublishEvents, PublishRequest, Role } from './role.ts';

export class Origin implements Role {
  readonly #mutants: Mutants;
  readonly #log: Log;

  constructor(mutants: Mutants, log: Log) {
    this.#mutants = mutants;
    this.#log = log;
  }

  onStream(): void {}

  onStreamGone(): void {}

  publish({ stream, client }: PublishRequest, events: PublishEvents): Publication | undefined {
    const first = stream.publisher;
    if (first) {
      if (this.#mutants.has('rtmp-double-publish-kicks-first')) first.socket.destroy();
      else if (!this.#mutants.has('rtmp-double-publish-accepted')) return undefined;
    }
    stream.publisher = client;
    if (!first) stream.begin();
    this.#log(`publish ${stream.url} client ${client.id}`);
    events.onStarted();
    return {
      onMessage: (message) => framesOf(message, (frame) => stream.push(frame)),
      close: () => {
        if (stream.publisher !== client || this.#mutants.has('origin-forgets-unpublish')) return;
        stream.publisher = undefined;
        stream.closeFlvPlayers();
        if (!this.#mutants.has('origin-keeps-gop-of-publisher')) stream.begin();
        this.#log(`unpublish ${stream.url} client ${client.id}`);
      },
    };
  }
}
