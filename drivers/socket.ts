/** What every client over TCP does alike with its socket: dial, read into one shared buffer, let go. */
import type { LookupAddress } from 'node:dns';
import { lookup } from 'node:dns/promises';
import { isIP, type LookupFunction, type Socket, connect as tcpConnect } from 'node:net';
import { connect as tlsConnect } from 'node:tls';
import { fastBuffer } from '../protocols/h264/checksum-kernel.ts';
import { forgetDeadline, watchDeadline } from './deadlines.ts';
import { sourceFor } from './loopback.ts';
import { wallClock } from './measure/clock.ts';

/**
 * Every socket of this process is read into this one buffer, and what came is parsed before the next read: a client
 * costs no read buffer of its own and no allocation per read. 64 KiB is what libuv itself would ask for; frames that
 * lie in this buffer are summed fastest.
 */
const READ_BUFFER = fastBuffer;

/**
 * When those bytes came. One variable for the process, as one socket is read at a time: a field would be a number
 * object per client, cold in the cache whenever its turn comes.
 */
let arrival = 0;

/** Arrival time of what is being handled, in epoch ms. */
export function arrivalTime(): number {
  return arrival;
}

/** A peer that does not read (a frozen process) does not keep our socket for longer than this. */
const FAREWELL_MS = 2000;

export interface Target {
  readonly host: string;
  readonly port: number;
  readonly tls: boolean;
}

/** Told what becomes of a wire, until it lets go of it. */
export interface WireOwner {
  /** TCP (and TLS) is up. */
  wireOpened(): void;
  /** `bytes` is the shared buffer, valid during the call. */
  wireRead(bytes: Uint8Array, length: number): void;
  /** The peer sent FIN. */
  wireEnded(): void;
  wireFailed(error: NodeJS.ErrnoException): void;
  /** Without `wireFailed` before it. */
  wireClosed(): void;
}

/** One connection that is dialled when it is made. */
export class Wire {
  readonly socket: Socket;
  /** undefined: let go; one more read may be under way then. */
  private owner: WireOwner | undefined;

  /** Throws what Node throws at once: a port above 65535, a local address that is none. */
  constructor(target: Target, localAddress: string | undefined, owner: WireOwner) {
    this.owner = owner;
    const to = {
      host: target.host,
      port: target.port,
      localAddress: sourceFor(target.host, localAddress),
      noDelay: true,
      lookup: cachedLookup,
      onread: {
        buffer: READ_BUFFER,
        callback: (length: number): boolean => {
          if (this.owner === undefined) return true;
          arrival = wallClock.now();
          this.owner.wireRead(READ_BUFFER, length);
          return true;
        },
      },
    };
    const socket = target.tls
      ? tlsConnect({ ...to, ...(isIP(target.host) === 0 && { servername: target.host }) })
      : tcpConnect(to);
    this.socket = socket;
    socket.once(target.tls ? 'secureConnect' : 'connect', () => {
      arrival = wallClock.now();
      this.owner?.wireOpened();
    });
    socket.on('error', (error: NodeJS.ErrnoException) => {
      arrival = wallClock.now();
      this.owner?.wireFailed(error);
    });
    socket.once('end', () => {
      arrival = wallClock.now();
      this.owner?.wireEnded();
    });
    socket.once('close', () => {
      arrival = wallClock.now();
      this.owner?.wireClosed();
    });
  }

  /** Lets the socket go. In an orderly way what was written is still sent, if the peer takes it in time. */
  release(orderly = false): void {
    const { socket } = this;
    this.owner = undefined;
    if (!orderly || socket.connecting) {
      socket.destroy();
      return;
    }
    if (socket.writableLength > 0) {
      const farewell = { deadline: 0, onDeadline: () => void socket.destroy() };
      watchDeadline(farewell, FAREWELL_MS);
      socket.once('close', () => forgetDeadline(farewell));
    }
    socket.destroySoon();
  }
}

/** Names are looked up once in this time, so that thousands of clients do not queue for the resolver's threads. */
const LOOKUP_TTL_MS = 30_000;

interface Lookup {
  readonly until: number;
  readonly addresses: Promise<LookupAddress[]>;
}

const lookups = new Map<string, Lookup>();

const cachedLookup: LookupFunction = (hostname, options, callback) => {
  const now = performance.now();
  let entry = lookups.get(hostname);
  if (entry === undefined || entry.until < now) {
    entry = { until: now + LOOKUP_TTL_MS, addresses: lookup(hostname, { all: true, verbatim: true }) };
    lookups.set(hostname, entry);
    entry.addresses.catch(() => lookups.delete(hostname));
  }
  entry.addresses.then(
    (addresses) => {
      if (options.all) callback(null, addresses);
      else callback(null, addresses[0]!.address, addresses[0]!.family);
    },
    (error: NodeJS.ErrnoException) => callback(error, '', 0),
  );
};
