/** An SRT caller that was let in. */
import type { SrtConnection } from '../../../protocols/srt/connection.ts';
import type { SrtPeer } from '../../../protocols/srt/listener.ts';
import type { ClientConnection, ClientRecord } from '../clients.ts';
import type { SrtPublisher } from './publisher.ts';

export class SrtCaller implements ClientConnection {
  readonly connection: SrtConnection;
  readonly peer: SrtPeer;
  /** Of one that publishes, as long as it does. */
  publisher: SrtPublisher | undefined = undefined;
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
    this.onLeft = undefined;
    publisher?.close();
    onLeft?.();
  }

  destroy(): void {
    this.connection.close(performance.now());
  }
}
