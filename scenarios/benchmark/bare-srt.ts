/**
 * The floor of SRT players: the same datagrams in and out, and nothing else. The handshake is a player's; then datagrams
 * are counted, and acknowledged as often as a player does that. Nothing is held, ordered, parsed or measured.
 */
import { randomBytes } from 'node:crypto';
import type { DatagramSocket } from '../../drivers/udp/contract.ts';
import { openDatagramSocket } from '../../drivers/udp/open.ts';
import { SrtConnection } from '../../protocols/srt/connection.ts';
import { FULL_ACK_SIZE } from '../../protocols/srt/control.ts';
import {
  ControlType,
  destinationOf,
  HEADER_SIZE,
  isControl,
  sequenceOf,
  writeControlHeader,
  writeUint32,
} from '../../protocols/srt/packet.ts';
import { sequenceAdd } from '../../protocols/srt/sequence.ts';

/** As in drivers/srt/multiplexer.ts. */
const CALLERS_PER_SOCKET = 64;
const BUFFER_BYTES = 4 * 1024 * 1024;
/** As in protocols/srt/receiver.ts. */
const ACK_INTERVAL_MS = 10;
/** What the feeder's window is filled by. */
const FREE_PACKETS = 8192;

interface Caller {
  readonly connection: SrtConnection;
  readonly socket: DatagramSocket;
  next: number;
  acks: number;
  pending: boolean;
}

const ack = new Uint8Array(HEADER_SIZE + FULL_ACK_SIZE);
writeUint32(ack, HEADER_SIZE + 12, FREE_PACKETS);

export class BareSrtCallers {
  total = 0;
  readonly #url: URL;
  readonly #callers = new Map<number, Caller>();
  readonly #pending: Caller[] = [];
  #socket: DatagramSocket | undefined;
  #onSocket = 0;

  constructor(url: string, clients: number, rampMs: number) {
    this.#url = new URL(url);
    void this.#ramp(clients, rampMs);
    setInterval(() => this.#acknowledge(), ACK_INTERVAL_MS);
  }

  get connected(): number {
    return [...this.#callers.values()].filter(({ connection }) => connection.agreement !== undefined).length;
  }

  async #ramp(clients: number, rampMs: number): Promise<void> {
    const began = performance.now();
    for (let id = 1; id <= clients; id++) {
      const wait = began + (rampMs * id) / clients - performance.now();
      if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
      this.#call(id);
    }
  }

  #call(socketId: number): void {
    if (this.#socket === undefined || this.#onSocket === CALLERS_PER_SOCKET) {
      this.#socket = this.#open();
      this.#onSocket = 0;
    }
    this.#onSocket++;
    const socket = this.#socket;
    const connection = new SrtConnection(
      { streamId: this.#url.searchParams.get('streamid') ?? '' },
      { onPacketOut: (_connection, bytes) => socket.send(bytes) },
      { socketId, initialSequence: randomBytes(4).readUInt32BE() >>> 1 },
      performance.now(),
    );
    this.#callers.set(socketId, { connection, socket, next: 0, acks: 0, pending: false });
    connection.tick(performance.now());
  }

  #open(): DatagramSocket {
    return openDatagramSocket(
      {
        connectTo: { address: this.#url.hostname, port: Number(this.#url.port) },
        receiveBufferBytes: BUFFER_BYTES,
      },
      { onDatagram: (bytes) => this.#received(bytes), onError() {} },
    );
  }

  #received(bytes: Uint8Array): void {
    this.total += bytes.length;
    const caller = this.#callers.get(destinationOf(bytes));
    if (caller === undefined) return;
    if (caller.connection.agreement === undefined) {
      caller.connection.receive(bytes.slice(), performance.now());
    } else if (!isControl(bytes)) {
      caller.next = sequenceAdd(sequenceOf(bytes), 1);
      if (!caller.pending) this.#pending.push(caller);
      caller.pending = true;
    }
  }

  #acknowledge(): void {
    const now = performance.now();
    for (const caller of this.#pending) {
      const { connection, socket, next } = caller;
      caller.pending = false;
      writeControlHeader(
        ack,
        ControlType.ack,
        0,
        ++caller.acks,
        connection.timestamp(now),
        connection.peerSocketId,
      );
      writeUint32(ack, HEADER_SIZE, next);
      socket.send(ack);
    }
    this.#pending.length = 0;
  }
}
