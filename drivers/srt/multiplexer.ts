/** Thousands of SRT callers on a few UDP sockets, told apart by socket id (draft-sharabayko-srt-01 section 3). */
import { randomBytes } from 'node:crypto';
import { lookup } from 'node:dns';
import { isIP } from 'node:net';
import { SrtConnection, type SrtHandler } from '../../protocols/srt/connection.ts';
import type { SrtOptions } from '../../protocols/srt/options.ts';
import {
  ControlType,
  controlTypeOf,
  destinationOf,
  HEADER_SIZE,
  isControl,
} from '../../protocols/srt/packet.ts';
import { PacketPool } from '../../protocols/srt/packet-pool.ts';
import type { ByteTape } from '../client.ts';
import type { DatagramReceiver, DatagramSocket, Endpoint } from '../udp/contract.ts';
import { openDatagramSocket } from '../udp/open.ts';
import { Scheduled, schedule } from './schedule.ts';

/**
 * The receive buffer of a UDP socket that may not be enlarged holds about 90 datagrams of 1316 bytes: a server that
 * sends a frame to all of these at once does not overrun it.
 */
const CALLERS_PER_SOCKET = 64;
/** As much as the system gives (net.core.rmem_max). */
const RECEIVE_BUFFER_BYTES = 4 * 1024 * 1024;
/** What 10 000 players of 480 kbit/s hold within 120 ms. */
const POOL_BYTES = 100 * 1024 * 1024;

export interface SrtTarget {
  readonly host: string;
  readonly port: number;
  readonly localAddress: string | undefined;
}

/** Told besides what an SrtHandler is told. */
export interface SrtCallerEvents extends Omit<SrtHandler, 'onPacketOut'> {
  /** The UDP socket is there; the handshake begins. */
  onOpened?(connection: SrtConnection, now: number): void;
  /** The socket failed, as when nobody listens on the port (ICMP). The connection is of no more use. */
  onSocketError(connection: SrtConnection, error: NodeJS.ErrnoException): void;
}

/** Bytes and events of one caller. */
export interface SrtCall {
  readonly connection: SrtConnection;
  /** In datagrams, handshake and control included. */
  bytesIn: number;
  /** Looks at the connection's deadline anew, after `send`. */
  wake(): void;
  /** Takes it from its socket. Idempotent. */
  release(): void;
}

const groups = new Map<string, CallerSocket[]>();
const pool = new PacketPool(POOL_BYTES);

/**
 * Calls `target`: the connection's first packet leaves when its socket is ready. All calls to one target from one
 * address share sockets.
 */
export function call(
  target: SrtTarget,
  options: Partial<SrtOptions>,
  events: SrtCallerEvents,
  tape?: ByteTape,
): SrtCall {
  const name = `${target.localAddress ?? ''}>${target.host}:${target.port}`;
  let group = groups.get(name);
  if (group === undefined) {
    group = [];
    groups.set(name, group);
  }
  let socket = group.find((candidate) => candidate.open && candidate.size < CALLERS_PER_SOCKET);
  if (socket === undefined) {
    const made: CallerSocket = new CallerSocket(target, () => {
      const left = group.filter((other) => other !== made);
      group.splice(0, group.length, ...left);
      if (group.length === 0 && groups.get(name) === group) groups.delete(name);
    });
    group.push(made);
    socket = made;
  }
  return socket.add(options, events, tape);
}

/** Plain fields: every datagram of every player passes here. */
class Caller implements SrtCall {
  bytesIn = 0;
  readonly scheduled: Scheduled;
  readonly connection: SrtConnection;
  readonly events: SrtCallerEvents;
  readonly tape: ByteTape | undefined;
  private readonly socket: CallerSocket;

  constructor(
    socket: CallerSocket,
    events: SrtCallerEvents,
    options: Partial<SrtOptions>,
    socketId: number,
    tape: ByteTape | undefined,
  ) {
    this.socket = socket;
    this.events = events;
    this.tape = tape;
    const identity = { socketId, initialSequence: randomBytes(4).readUInt32BE() >>> 1 };
    this.connection = new SrtConnection(
      { ...options, pool },
      { ...pick(events), onPacketOut: tape === undefined ? socket.out : taped(socket.out, tape) },
      identity,
      performance.now(),
    );
    this.scheduled = new Scheduled(this.connection);
  }

  wake(): void {
    schedule.wake(this.scheduled);
  }

  release(): void {
    this.socket.remove(this);
  }
}

function taped(out: SrtHandler['onPacketOut'], tape: ByteTape): SrtHandler['onPacketOut'] {
  return (connection, bytes) => {
    tape.packet('sent', 'srt', bytes);
    out(connection, bytes);
  };
}

function pick(events: SrtCallerEvents): Omit<SrtHandler, 'onPacketOut'> {
  return {
    onConnected: (connection, now) => events.onConnected?.(connection, now),
    onData: (connection, bytes, start, now) => events.onData?.(connection, bytes, start, now),
    onClosed: (connection, closure, now) => events.onClosed?.(connection, closure, now),
  };
}

class CallerSocket implements DatagramReceiver {
  open = true;
  readonly out: (connection: SrtConnection, bytes: Uint8Array) => void;
  /** undefined before it is there. */
  private socket: DatagramSocket | undefined = undefined;
  private readonly callers = new Map<number, Caller>();
  private readonly onGone: () => void;

  constructor(target: SrtTarget, onGone: () => void) {
    this.onGone = onGone;
    this.out = (_connection, bytes) => this.socket?.send(bytes);
    // Who calls is told of what happens when the call has returned.
    if (isIP(target.host) !== 0) setImmediate(() => this.connect(target, target.host));
    else {
      lookup(target.host, (error, address) => {
        if (error === null) this.connect(target, address);
        else this.onError(error);
      });
    }
  }

  get size(): number {
    return this.callers.size;
  }

  add(options: Partial<SrtOptions>, events: SrtCallerEvents, tape: ByteTape | undefined): Caller {
    let socketId = 0;
    while (socketId === 0 || this.callers.has(socketId))
      socketId = randomBytes(4).readUInt32BE() & 0x3fffffff;
    const caller = new Caller(this, events, options, socketId, tape);
    this.callers.set(socketId, caller);
    if (this.socket !== undefined) {
      setImmediate(() => {
        if (this.callers.get(socketId) === caller) this.begin(caller);
      });
    }
    return caller;
  }

  remove(caller: Caller): void {
    schedule.remove(caller.scheduled);
    if (!this.callers.delete(caller.connection.socketId) || this.callers.size > 0) return;
    this.abandon();
    this.socket?.close();
  }

  private connect({ localAddress, port }: SrtTarget, address: string): void {
    if (!this.open) return;
    const options = {
      connectTo: { address, port },
      receiveBufferBytes: RECEIVE_BUFFER_BYTES,
      ...(localAddress === undefined ? {} : { localAddress }),
    };
    try {
      this.socket = openDatagramSocket(options, this);
    } catch (error) {
      this.onError(error as NodeJS.ErrnoException);
      return;
    }
    for (const caller of [...this.callers.values()]) this.begin(caller);
  }

  private begin(caller: Caller): void {
    const now = performance.now();
    caller.events.onOpened?.(caller.connection, now);
    if (this.callers.get(caller.connection.socketId) !== caller) return;
    caller.connection.tick(now);
    if (this.callers.get(caller.connection.socketId) === caller) schedule.add(caller.scheduled);
  }

  onDatagram(bytes: Uint8Array, _from: Endpoint, at: number): void {
    if (bytes.length < HEADER_SIZE) return;
    const caller = this.callers.get(destinationOf(bytes));
    if (caller === undefined) return;
    caller.bytesIn += bytes.length;
    caller.tape?.packet('received', 'srt', bytes);
    caller.connection.receive(isKept(bytes) ? bytes.slice() : bytes, at);
    schedule.wake(caller.scheduled);
  }

  onError(error: NodeJS.ErrnoException): void {
    const callers = [...this.callers.values()];
    for (const { connection, events } of callers) events.onSocketError(connection, error);
    if (this.callers.size === 0 || this.socket !== undefined) return;
    this.callers.clear();
    this.abandon();
  }

  /** No more callers are put on it. */
  private abandon(): void {
    if (!this.open) return;
    this.open = false;
    this.onGone();
  }
}

/** Handshakes and keys may be looked at again later; data is copied to the pool. */
function isKept(packet: Uint8Array): boolean {
  return isControl(packet) && controlTypeOf(packet) !== ControlType.ackAck;
}
