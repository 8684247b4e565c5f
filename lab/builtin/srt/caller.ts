/** An SRT caller that was let in. */
import type { SrtConnection } from '../../../protocols/srt/connection.ts';
import type { SrtPeer } from '../../../protocols/srt/listener.ts';
import type { ClientConnection, ClientRecord } from '../clients.ts';
import type { SrtPublisher } from './publisher.ts';

/** A publisher that sends more before it is let in loses it. */
const MAX_HELD_BYTES = 4 * 1024 * 1024;

/** What a publisher has sent that is not let in yet. */
export class HeldPayloads {
  readonly payloads: Uint8Array[] = [];
  #bytes = 0;

  add(payload: Uint8Array): void {
    if (this.#bytes + payload.length > MAX_HELD_BYTES) return;
    this.#bytes += payload.length;
    this.payloads.push(payload.slice());
  }
}

export class SrtCaller implements ClientConnection {
  readonly connection: SrtConnection;
  readonly peer: SrtPeer;
  /** Of one that publishes, as long as it does. */
  publisher: SrtPublisher | undefined = undefined;
  /** Of one that is to publish. */
  held: HeldPayloads | undefined = undefined;
  /** Of one that plays. */
  onLeft: (() => void) | undefined = undefined;
  /** As the API tells it; undefined when it was refused. */
  client: ClientRecord | undefined = undefined;

  constructor(connection: SrtConnection, { address, port }: SrtPeer) {
    this.connection = connection;
    this.peer = { address, port };
  }

  get bytesRead(): number {
    return this.connection.figures.bytesReceived;
  }

  get bytesWritten(): number {
    return this.connection.figures.bytesSent;
  }

  /** Ends publishing or playing; what comes is thrown away. Idempotent. */
  end(): void {
    const { publisher, onLeft } = this;
    this.publisher = undefined;
    this.held = undefined;
    this.onLeft = undefined;
    publisher?.close();
    onLeft?.();
  }

  destroy(): void {
    this.connection.close(performance.now());
  }
}
