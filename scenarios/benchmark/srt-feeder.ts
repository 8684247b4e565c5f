/** The server of the SRT benchmark: a listener that sends one stamped stream to every caller, in a few phases. */
import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { wallClock } from '../../drivers/measure/clock.ts';
import { MediaSource, SourceCursor } from '../../drivers/measure/source.ts';
import { TsPacketizer } from '../../drivers/srt/packetizer.ts';
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
const socket = createSocket({
  type: 'udp4',
  // Addresses are addresses: nothing is looked up, and what is sent is taken at once.
  lookup: (address, _options, callback) => callback(null, address, 4),
});
let joined = 0;
const listener = new SrtListener(
  {},
  {
    onAnswer: (bytes, { port, address }) => socket.send(bytes, port, address),
    onPacketOut(connection, bytes) {
      const peer = peers.get(connection);
      if (peer !== undefined) socket.send(bytes, peer.port, peer.address);
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
socket.on('message', (bytes, from) => listener.receive(bytes, from, performance.now()));
socket.bind(0, '127.0.0.1', () => {
  socket.setRecvBufferSize(BUFFER_BYTES);
  socket.setSendBufferSize(BUFFER_BYTES);
  setInterval(() => {
    for (const phase of phases) phase.send();
    listener.tick(performance.now());
  }, TICK_MS);
  const bitsPerSecond = (source.bytes * 8 * 1000) / source.duration;
  process.send?.({ port: socket.address().port, bitsPerSecond } satisfies FromSrtFeeder);
});
process.on('SIGINT', () => {});
process.on('disconnect', () => process.exit());
