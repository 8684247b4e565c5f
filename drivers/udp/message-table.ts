/**
 * The memory that recvmmsg(2) and sendmmsg(2) work on: a row per datagram, with its header, its peer's address, the time
 * of its arrival, and its bytes. Laid out as Linux has `struct mmsghdr`, `struct iovec`, `struct sockaddr_in` and
 * `struct cmsghdr` on 64-bit machines.
 */
import type { Endpoint } from './contract.ts';
import { AF_INET, type Libc, MSG_TRUNC, SO_TIMESTAMPNS, SOL_SOCKET, SOL_UDP, UDP_SEGMENT } from './libc.ts';

const HEADER_BYTES = 64;
const VECTOR_BYTES = 16;
export const NAME_BYTES = 16;
/** Of one ancillary message with a `struct timespec`. */
const CONTROL_BYTES = 32;
const CONTROL_HEADER_BYTES = 16;
/** Of one with a length of 16 bits, and the room that it takes. */
const SEGMENT_BYTES = CONTROL_HEADER_BYTES + 2;
const SEGMENT_SPACE = CONTROL_HEADER_BYTES + 8;
/** That the system cuts at a time (UDP_MAX_SEGMENTS), and that a datagram could hold. */
const MAX_SEGMENTS = 64;
const MAX_SEGMENTED_BYTES = 65_000;

/** Words of 4 bytes in the header. */
const NAME = 0;
const NAME_LENGTH = 2;
const VECTOR = 4;
const VECTORS = 6;
const CONTROL = 8;
const CONTROL_LENGTH = 10;
const FLAGS = 12;
const LENGTH = 14;
/** And in the ancillary message. */
const CONTROL_LEVEL = 2;
const CONTROL_TYPE = 3;
const DATA = 4;
const SECONDS = DATA;
const NANOSECONDS = DATA + 2;

/** Plain fields: every datagram passes here. */
export class MessageTable {
  /** Of the header of each row. */
  readonly headers: readonly bigint[];
  readonly rows: number;
  private readonly rowBytes: number;
  private readonly memory: ArrayBuffer;
  private readonly words: Uint32Array;
  private readonly bytes: Uint8Array;
  /** Of each row's bytes, as long as its last datagram. */
  private readonly views: Uint8Array[] = [];
  private readonly vectorsAt: number;
  private readonly namesAt: number;
  private readonly controlsAt: number;
  private readonly dataAt: number;

  constructor(libc: Libc, rows: number, rowBytes: number) {
    this.rows = rows;
    this.rowBytes = rowBytes;
    this.vectorsAt = rows * HEADER_BYTES;
    this.namesAt = this.vectorsAt + rows * VECTOR_BYTES;
    this.controlsAt = this.namesAt + rows * NAME_BYTES;
    this.dataAt = this.controlsAt + rows * CONTROL_BYTES;
    const { address, memory } = libc.allocate(this.dataAt + rows * rowBytes);
    this.memory = memory;
    this.words = new Uint32Array(memory, 0, this.dataAt / 4);
    this.bytes = new Uint8Array(memory);
    const pointers = new BigUint64Array(memory, 0, this.dataAt / 8);
    this.headers = Array.from({ length: rows }, (_, row) => address + BigInt(row * HEADER_BYTES));
    for (let row = 0; row < rows; row++) {
      const header = (row * HEADER_BYTES) / 8;
      const vector = (this.vectorsAt + row * VECTOR_BYTES) / 8;
      pointers[header + NAME / 2] = address + BigInt(this.namesAt + row * NAME_BYTES);
      pointers[header + VECTOR / 2] = address + BigInt(this.vectorsAt + row * VECTOR_BYTES);
      pointers[header + VECTORS / 2] = 1n;
      pointers[header + CONTROL / 2] = address + BigInt(this.controlsAt + row * CONTROL_BYTES);
      pointers[vector] = address + BigInt(this.dataAt + row * rowBytes);
      pointers[vector + 1] = BigInt(rowBytes);
      this.views.push(new Uint8Array(memory, this.dataAt + row * rowBytes, 0));
    }
  }

  /** Its bytes may be received into the row, with its peer and its time of arrival. */
  prepare(row: number): void {
    const { words } = this;
    const header = (row * HEADER_BYTES) / 4;
    words[header + NAME_LENGTH] = NAME_BYTES;
    words[header + CONTROL_LENGTH] = CONTROL_BYTES;
  }

  /** What was received; undefined for a datagram that is longer than a row. Valid until the row is received into again. */
  received(row: number): Uint8Array | undefined {
    const header = (row * HEADER_BYTES) / 4;
    if ((this.words[header + FLAGS]! & MSG_TRUNC) !== 0) return undefined;
    const length = this.words[header + LENGTH]!;
    const view = this.views[row]!;
    if (view.length === length) return view;
    const other = new Uint8Array(this.memory, this.dataAt + row * this.rowBytes, length);
    this.views[row] = other;
    return other;
  }

  /** When it came, in epoch ms with fraction; NaN when the system did not say. */
  arrivedAt(row: number): number {
    const { words } = this;
    if (words[(row * HEADER_BYTES) / 4 + CONTROL_LENGTH]! < CONTROL_BYTES) return Number.NaN;
    const control = (this.controlsAt + row * CONTROL_BYTES) / 4;
    if (words[control + CONTROL_LEVEL] !== SOL_SOCKET || words[control + CONTROL_TYPE] !== SO_TIMESTAMPNS) {
      return Number.NaN;
    }
    return words[control + SECONDS]! * 1000 + words[control + NANOSECONDS]! / 1e6;
  }

  /** Address and port of its peer in one number, to compare. */
  peerKey(row: number): number {
    const name = this.namesAt + row * NAME_BYTES;
    return this.words[name / 4 + 1]! * 0x10000 + ((this.bytes[name + 2]! << 8) | this.bytes[name + 3]!);
  }

  peer(row: number): Endpoint {
    return readName(this.bytes, this.namesAt + row * NAME_BYTES);
  }

  /** Copies a datagram that is to be sent into a row; it must not be longer than that. */
  fill(row: number, bytes: Uint8Array, to: Endpoint | undefined): void {
    const { words } = this;
    words[(this.vectorsAt + row * VECTOR_BYTES) / 4 + 2] = bytes.length;
    this.bytes.set(bytes, this.dataAt + row * this.rowBytes);
    const header = (row * HEADER_BYTES) / 4;
    words[header + NAME_LENGTH] = to === undefined ? 0 : NAME_BYTES;
    if (to !== undefined) writeName(this.bytes, this.namesAt + row * NAME_BYTES, to);
  }

  /** How many rows from `first` on, to `end` at the most, can be sent as one that is cut into datagrams of its length. */
  segments(first: number, end: number): number {
    const length = this.lengthOf(first);
    if (length === 0) return 1;
    const last = Math.min(end, first + MAX_SEGMENTS, first + Math.floor(MAX_SEGMENTED_BYTES / length));
    let row = first + 1;
    while (row < last && this.lengthOf(row) === length) row++;
    return row - first;
  }

  /** The row stands for so many from it on, or for itself alone again. */
  join(row: number, rows: number): void {
    const { words } = this;
    const header = (row * HEADER_BYTES) / 4;
    words[header + VECTORS] = rows;
    words[header + CONTROL_LENGTH] = rows === 1 ? 0 : SEGMENT_SPACE;
    if (rows === 1) return;
    const control = (this.controlsAt + row * CONTROL_BYTES) / 4;
    words[control] = SEGMENT_BYTES;
    words[control + 1] = 0;
    words[control + CONTROL_LEVEL] = SOL_UDP;
    words[control + CONTROL_TYPE] = UDP_SEGMENT;
    words[control + DATA] = this.lengthOf(row);
  }

  private lengthOf(row: number): number {
    return this.words[(this.vectorsAt + row * VECTOR_BYTES) / 4 + 2]!;
  }
}

/** A `struct sockaddr_in`. @param address IPv4, literal. */
export function writeName(bytes: Uint8Array, at: number, { address, port }: Endpoint): void {
  bytes[at] = AF_INET;
  bytes[at + 1] = 0;
  bytes[at + 2] = port >> 8;
  bytes[at + 3] = port & 0xff;
  let value = 0;
  let place = at + 4;
  for (let i = 0; i < address.length; i++) {
    const code = address.charCodeAt(i);
    if (code !== 0x2e) {
      value = value * 10 + code - 0x30;
      continue;
    }
    bytes[place++] = value;
    value = 0;
  }
  bytes[place] = value;
}

export function readName(bytes: Uint8Array, at: number): Endpoint {
  const address = `${bytes[at + 4]}.${bytes[at + 5]}.${bytes[at + 6]}.${bytes[at + 7]}`;
  return { address, port: (bytes[at + 2]! << 8) | bytes[at + 3]! };
}
