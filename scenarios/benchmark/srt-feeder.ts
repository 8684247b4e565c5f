/** The server of the SRT benchmark: a listener that sends one stamped stream to every caller, in a few phases; encrypted, if a passphrase is its second argument. */
import { randomBytes } from 'node:crypto';
import { wallClock } from '../../drivers/measure/clock.ts';
import { MediaSource, SourceCursor } from '../../drivers/measure/source.ts';
import { nodeCrypto } from '../../drivers/srt/crypto.ts';
import { TsPacketizer } from '../../drivers/srt/packetizer.ts';
import { openDatagramSocket } from '../../drivers/udp/open.ts';
import type { SrtConnection } from '../../protocols/srt/connection.ts';
import { SrtListener, type SrtPeer } from '../../protocols/srt/listener.ts';

export interface FromSrtFeeder {
  readonly port: number;
  /** Of media bodies. */
  readonly bitsPerSecond: number;
}

/** Frames of so many streams are spread over a frame's time, so that the players are not all in step. */
const PHASES = 10;
const PHASE_MS = 4;
const TICK_MS = 2;
const BUFFER_BYTES = 4 * 1024 * 1024;

class Phase {
  readonly connections = new Set<SrtConnection>();
  readonly #cursor: SourceCursor;
  readonly #origin: number;
  readonly #stream: number;
  readonly #packetizer = new TsPacketizer((message) => {
    const now = performance.now();
    for (const connection of this.connections) connection.send(message, now);
  }, true);
  #frames = 0;

  constructor(source: MediaSource, index: number) {
    this.#cursor = new SourceCursor(source);
    this.#stream = index + 1;
    this.#origin = performance.now() + index * PHASE_MS;
    for (const { type, body } of source.headers) this.#packetizer.push(type, 0, body);
  }

  send(): void {
    while (this.#origin + this.#cursor.timestamp <= performance.now()) {
      const { item, timestamp } = this.#cursor;
      const body = item.template?.write(this.#stream, this.#frames, wallClock.now()) ?? item.body;
      if (item.template !== undefined) this.#frames++;
      this.#packetizer.push(item.type, timestamp, body);
      this.#cursor.advance();
    }
  }
}

const source = MediaSource.load(process.argv[2]!);
const phases = Array.from({ length: PHASES }, (_, index) => new Phase(source, index));
const peers = new Map<SrtConnection, SrtPeer>();
let joined = 0;
const listener = new SrtListener(
  { crypto: nodeCrypto, passphrase: process.argv[3] },
  {
    onAnswer: (bytes, peer) => socket.send(bytes, peer),
    onPacketOut(connection, bytes) {
      const peer = peers.get(connection);
      if (peer !== undefined) socket.send(bytes, peer);
    },
    onAccepted(connection, peer) {
      peers.set(connection, peer);
      phases[joined++ % PHASES]!.connections.add(connection);
    },
    onClosed(connection) {
      peers.delete(connection);
      for (const phase of phases) phase.connections.delete(connection);
    },
  },
  randomBytes,
  { maxHalfOpen: 10_000 },
);
const socket = openDatagramSocket(
  { localAddress: '127.0.0.1', receiveBufferBytes: BUFFER_BYTES },
  { onDatagram: (bytes, from, at) => listener.receive(bytes.slice(), from, at), onError() {} },
);
setInterval(() => {
  for (const phase of phases) phase.send();
  listener.tick(performance.now());
}, TICK_MS);
const bitsPerSecond = (source.bytes * 8 * 1000) / source.duration;
process.send?.({ port: socket.port, bitsPerSecond } satisfies FromSrtFeeder);
process.on('SIGINT', () => {});
process.on('disconnect', () => process.exit());
