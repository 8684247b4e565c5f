/** A client and a server of DTLS that are joined in memory, on a clock of their own. */
import { createIdentity, nodeCrypto } from '../../../drivers/webrtc/lite/crypto.ts';
import { DtlsClient } from '../../../protocols/dtls/client.ts';
import type { DtlsOptions } from '../../../protocols/dtls/endpoint.ts';
import { DtlsServer, type DtlsServerOptions } from '../../../protocols/dtls/server.ts';
import type { ProtocolError } from '../../../protocols/errors.ts';

export const clientIdentity = createIdentity();
export const serverIdentity = createIdentity();

export interface Side {
  readonly sent: Uint8Array[];
  readonly events: string[];
  error: ProtocolError | undefined;
}

export type Network = (datagram: Uint8Array, from: 'client' | 'server') => readonly Uint8Array[];

export class Pair {
  readonly client: DtlsClient;
  readonly server: DtlsServer;
  readonly clientSide: Side = { sent: [], events: [], error: undefined };
  readonly serverSide: Side = { sent: [], events: [], error: undefined };
  now = 0;
  readonly #network: Network;
  #queue: (() => void)[] = [];

  constructor(
    options: { client?: Partial<DtlsOptions>; server?: Partial<DtlsServerOptions>; network?: Network } = {},
  ) {
    this.#network = options.network ?? ((datagram) => [datagram]);
    const handler = (side: Side, name: 'client' | 'server') => ({
      send: (datagram: Uint8Array) => {
        side.sent.push(datagram);
        for (const one of this.#network(datagram, name)) {
          this.#queue.push(() => (name === 'client' ? this.server : this.client).receive(one, this.now));
        }
      },
      connected: () => side.events.push('connected'),
      ended: (error: ProtocolError | undefined) => {
        side.events.push('ended');
        side.error = error;
      },
    });
    this.client = new DtlsClient(
      {
        crypto: nodeCrypto,
        identity: clientIdentity,
        fingerprint: { hash: 'sha-256', value: serverIdentity.fingerprint },
        ...options.client,
      },
      handler(this.clientSide, 'client'),
    );
    this.server = new DtlsServer(
      {
        crypto: nodeCrypto,
        identity: serverIdentity,
        fingerprint: { hash: 'sha-256', value: clientIdentity.fingerprint },
        ...options.server,
      },
      handler(this.serverSide, 'server'),
    );
  }

  /** Delivers what is on its way, and lets time pass until both are done or nothing will ever come. */
  run(): void {
    if (this.client.state === 'idle') this.client.start(this.now);
    for (let round = 0; round < 10_000; round++) {
      const next = this.#queue.shift();
      if (next !== undefined) {
        next();
        continue;
      }
      const deadline = Math.min(this.client.deadline, this.server.deadline);
      if (deadline === Number.POSITIVE_INFINITY) return;
      this.now = deadline;
      this.client.tick(this.now);
      this.server.tick(this.now);
    }
    throw new Error('it never ends');
  }
}
