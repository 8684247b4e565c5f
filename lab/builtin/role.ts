/** What an origin and an edge do differently: where media comes from, and where published media goes. */
import type { Message } from '../../protocols/rtmp/message-assembler.ts';
import type { ClientRecord } from './clients.ts';
import type { Stream } from './stream.ts';

export interface PublishRequest {
  readonly stream: Stream;
  readonly app: string;
  /** With its query. */
  readonly streamName: string;
  readonly tcUrl: string;
  readonly client: ClientRecord;
}

export interface PublishEvents {
  /** Media may come now. */
  onStarted(): void;
  /** The other side of a forwarded publish has gone. */
  onClosed(reason: string): void;
}

/** An accepted publisher. */
export interface Publication {
  onMessage(message: Message): void;
  /** The publisher has left; idempotent. */
  close(): void;
}

export interface Role {
  onStream(stream: Stream): void;
  /** Undefined when the stream is busy (facts/srs.md 10.3). */
  publish(request: PublishRequest, events: PublishEvents): Publication | undefined;
  /** The stream is forgotten. */
  onStreamGone(stream: Stream): void;
}
