/** An SRT server of the test's own: what is published as `publish/<name>` is played as `play/<name>`. */
import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import type { TestContext } from 'node:test';
import { nodeCrypto } from '../../../drivers/srt/crypto.ts';
import type { SrtConnection } from '../../../protocols/srt/connection.ts';
import { SrtListener, type SrtPeer } from '../../../protocols/srt/listener.ts';
import type { SrtOptions } from '../../../protocols/srt/options.ts';
import { isControl } from '../../../protocols/srt/packet.ts';
import { RejectReason } from '../../../protocols/srt/rejection.ts';

export class SrtRelay {
  port = 0;
  readonly peers = new Map<SrtConnection, SrtPeer>();
  /** Whether the n-th data packet to a player is lost, retransmissions included; from 0 on. */
  lose: (packet: number) => boolean = () => false;
  /** Players that were shut down by themselves. */
  left = 0;
  readonly #players = new Map<SrtConnection, { name: string; packets: number }>();
  readonly #publishers = new Map<SrtConnection, string>();

  get players(): number {
    return this.#players.size;
  }

  static async start(t: TestContext, options: Partial<SrtOptions> = {}): Promise<SrtRelay> {
    const relay = new SrtRelay();
    const socket = createSocket({
      type: 'udp4',
      lookup: (host, _options, callback) => callback(null, host, 4),
    });
    const listener = new SrtListener(
      { crypto: nodeCrypto, ...options },
      {
        onAnswer: (bytes, { port, address }) => socket.send(bytes, port, address),
        onRequest: ({ streamId }) =>
          /^(publish|play)\/[^/]+$/.test(streamId)
            ? { accept: true }
            : { accept: false, reason: RejectReason.peer },
        onAccepted: (connection, peer, { streamId }) => {
          relay.peers.set(connection, peer);
          const [mode, name = ''] = streamId.split('/');
          if (mode === 'publish') relay.#publishers.set(connection, name);
          else relay.#players.set(connection, { name, packets: 0 });
        },
        onPacketOut: (connection, bytes) => {
          const peer = relay.peers.get(connection);
          const player = relay.#players.get(connection);
          if (player !== undefined && !isControl(bytes) && relay.lose(player.packets++)) return;
          if (peer !== undefined) socket.send(bytes.slice(), peer.port, peer.address);
        },
        onData: (connection, bytes, start, now) => {
          const published = relay.#publishers.get(connection);
          for (const [player, { name }] of relay.#players) {
            if (name === published) player.send(bytes.subarray(start), now);
          }
        },
        onClosed: (connection, { code }) => {
          if (relay.#players.delete(connection) && code === 'srt.shutdown') relay.left++;
        },
      },
      randomBytes,
    );
    socket.on('message', (bytes, from) => listener.receive(bytes, from, performance.now()));
    // With such a lookup it listens before `bind` returns.
    const listening = once(socket, 'listening');
    socket.bind(0, '127.0.0.1');
    await listening;
    relay.port = socket.address().port;
    const timer = setInterval(() => listener.tick(performance.now()), 5);
    t.after(() => {
      clearInterval(timer);
      socket.close();
    });
    return relay;
  }
}
