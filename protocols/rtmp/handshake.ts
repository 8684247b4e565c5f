import { ProtocolError, ProtocolErrorCode } from '../errors.ts';

/** HMAC-SHA256; 32 bytes. */
export type Hmac = (key: Uint8Array, data: Uint8Array) => Uint8Array;
/** That many random bytes. */
export type Random = (length: number) => Uint8Array;
/**
 * simple: RTMP 1.0 section 5.2. digest: what Flash Player 9 and later do, not in the specification; the peers sign
 * their packets with keys that everyone knows.
 */
export type HandshakeForm = 'simple' | 'digest';
/** Where the digest block stands in C1 and S1: 0 behind the key block, 1 before it. */
export type DigestSchema = 0 | 1;

/** What a push did. Bytes from `consumed` on belong to the chunk stream, once `done`. */
export interface HandshakeStep {
  /** Bytes used. */
  consumed: number;
  /** Bytes to send now. */
  send?: Uint8Array;
  done: boolean;
}

const rtmpVersion = 3;
const packetSize = 1536;
const digestSize = 32;
const blockSize = 764;
const signedSize = packetSize - digestSize;

const genuineTail = [
  0xf0, 0xee, 0xc2, 0x4a, 0x80, 0x68, 0xbe, 0xe8, 0x2e, 0x00, 0xd0, 0xd1, 0x02, 0x9e, 0x7e, 0x57, 0x6e, 0xec,
  0x5d, 0x2d, 0x29, 0x80, 0x6f, 0xab, 0x93, 0xb8, 0xe6, 0x36, 0xcf, 0xeb, 0x31, 0xae,
];
const playerName = 'Genuine Adobe Flash Player 001';
const serverName = 'Genuine Adobe Flash Media Server 001';
const playerKey = genuineKey(playerName);
const serverKey = genuineKey(serverName);
/** C1 and S1 are signed with the names alone, C2 and S2 with the whole keys. */
const playerNameKey = playerKey.subarray(0, playerName.length);
const serverNameKey = serverKey.subarray(0, serverName.length);

/** Any version but 0 says that a digest may be there. */
const clientVersion = 0x09007c02;
const serverVersion = 0x05001101;

export interface ClientHandshakeOptions {
  form: HandshakeForm;
  random: Random;
  /** Needed for the digest form. */
  hmac?: Hmac;
  /** Default 1, as Flash Player and ffmpeg. */
  schema?: DigestSchema;
  /** Milliseconds for C1; default 0. */
  time?: number;
  /** Version in C1 of the digest form, not 0. Default 9.0.124.2, a Flash Player, as ffmpeg. */
  version?: number;
  /** What to do with an S2 that neither echoes nor verifies. Default `accept`: many servers are careless here. */
  wrongEcho?: 'accept' | 'reject';
}

/** The side that connects: send `start()`, push what comes, send what a push gives, until it is done. */
export class ClientHandshake {
  readonly #options: ClientHandshakeOptions;
  readonly #c1: Uint8Array;
  #c1Digest: Uint8Array | undefined;
  readonly #packet = new Collector(1 + packetSize);
  #s1Seen = false;
  #form: HandshakeForm | undefined;
  #echoed: boolean | undefined;

  constructor(options: ClientHandshakeOptions) {
    this.#options = options;
    const version = options.form === 'digest' ? (options.version ?? clientVersion) : 0;
    this.#c1 = packet(options.random, options.time ?? 0, version);
    if (options.form === 'digest') {
      this.#c1Digest = sign(this.#c1, options.schema ?? 1, playerNameKey, hmacOf(options));
    }
  }

  /** The form that the server answered in; undefined before S1. A server may answer a digest simply. */
  get form(): HandshakeForm | undefined {
    return this.#form;
  }

  /** Whether S2 echoed C1 or was signed for it; undefined before S2. */
  get echoed(): boolean | undefined {
    return this.#echoed;
  }

  /** C0 and C1. */
  start(): Uint8Array {
    return concat([Uint8Array.of(rtmpVersion), this.#c1]);
  }

  /** @throws ProtocolError RtmpVersion, RtmpHandshakeEcho. */
  push(bytes: Uint8Array, start = 0, end: number = bytes.length): HandshakeStep {
    let at = start;
    let send: Uint8Array | undefined;
    if (!this.#s1Seen) {
      at = this.#packet.take(bytes, at, end);
      checkVersion('S0', this.#packet.bytes, this.#packet.length);
      if (!this.#packet.full) return { consumed: at - start, done: false };
      send = this.#answer(this.#packet.bytes.slice(1));
      this.#s1Seen = true;
      this.#packet.reset(packetSize);
    }
    at = this.#packet.take(bytes, at, end);
    const done = this.#packet.full;
    if (done && this.#echoed === undefined) this.#verify(this.#packet.bytes);
    return send === undefined ? { consumed: at - start, done } : { consumed: at - start, send, done };
  }

  #answer(s1: Uint8Array): Uint8Array {
    this.#form = 'simple';
    if (this.#options.form === 'simple') return s1;
    const hmac = hmacOf(this.#options);
    const found = findDigest(s1, serverNameKey, hmac);
    if (found === undefined) return s1;
    this.#form = 'digest';
    return signAnswer(this.#options.random(packetSize), playerKey, found.digest, hmac);
  }

  #verify(s2: Uint8Array): void {
    this.#echoed = echoes(s2, this.#c1);
    if (!this.#echoed && this.#c1Digest !== undefined && this.#form === 'digest') {
      this.#echoed = answers(s2, serverKey, this.#c1Digest, hmacOf(this.#options));
    }
    if (!this.#echoed && this.#options.wrongEcho === 'reject') throw wrongEcho('S2', 'C1');
  }
}

export interface ServerHandshakeOptions {
  random: Random;
  hmac: Hmac;
  /** Milliseconds for S1; default 0. */
  time?: number;
  /** Version in S1 of the digest form, not 0. Default 5.0.17.1, a Flash Media Server. */
  version?: number;
  /** What to do with a C2 that neither echoes nor verifies. Default `accept`: many clients are careless here. */
  wrongEcho?: 'accept' | 'reject';
}

/** The side that listens: push what comes, send what a push gives, until it is done. */
export class ServerHandshake {
  readonly #options: ServerHandshakeOptions;
  readonly #packet = new Collector(1 + packetSize);
  #s1: Uint8Array | undefined;
  #s1Digest: Uint8Array | undefined;
  #form: HandshakeForm | undefined;
  #schema: DigestSchema | undefined;
  #echoed: boolean | undefined;

  constructor(options: ServerHandshakeOptions) {
    this.#options = options;
  }

  /** The client's form; undefined before C1. */
  get form(): HandshakeForm | undefined {
    return this.#form;
  }

  /** The schema of the client's digest. */
  get schema(): DigestSchema | undefined {
    return this.#schema;
  }

  /** Whether C2 echoed S1 or was signed for it; undefined before C2. */
  get echoed(): boolean | undefined {
    return this.#echoed;
  }

  /** @throws ProtocolError RtmpVersion, RtmpHandshakeEcho. */
  push(bytes: Uint8Array, start = 0, end: number = bytes.length): HandshakeStep {
    let at = start;
    let send: Uint8Array | undefined;
    if (this.#s1 === undefined) {
      at = this.#packet.take(bytes, at, end);
      checkVersion('C0', this.#packet.bytes, this.#packet.length);
      if (!this.#packet.full) return { consumed: at - start, done: false };
      send = this.#answer(this.#packet.bytes.slice(1));
      this.#packet.reset(packetSize);
    }
    at = this.#packet.take(bytes, at, end);
    const done = this.#packet.full;
    if (done && this.#echoed === undefined) this.#verify(this.#packet.bytes, this.#s1!);
    return send === undefined ? { consumed: at - start, done } : { consumed: at - start, send, done };
  }

  #answer(c1: Uint8Array): Uint8Array {
    const { random, hmac, time = 0, version = serverVersion } = this.#options;
    const signed = c1[4] !== 0 || c1[5] !== 0 || c1[6] !== 0 || c1[7] !== 0;
    const found = signed ? findDigest(c1, playerNameKey, hmac) : undefined;
    let s2 = c1;
    if (found === undefined) {
      this.#form = 'simple';
      this.#s1 = packet(random, time, 0);
    } else {
      this.#form = 'digest';
      this.#schema = found.schema;
      this.#s1 = packet(random, time, version);
      this.#s1Digest = sign(this.#s1, found.schema, serverNameKey, hmac);
      s2 = signAnswer(random(packetSize), serverKey, found.digest, hmac);
    }
    return concat([Uint8Array.of(rtmpVersion), this.#s1, s2]);
  }

  #verify(c2: Uint8Array, s1: Uint8Array): void {
    this.#echoed = echoes(c2, s1);
    if (!this.#echoed && this.#s1Digest !== undefined) {
      this.#echoed = answers(c2, playerKey, this.#s1Digest, this.#options.hmac);
    }
    if (!this.#echoed && this.#options.wrongEcho === 'reject') throw wrongEcho('C2', 'S1');
  }
}

/** Collects a packet of known size. */
class Collector {
  bytes: Uint8Array;
  length = 0;

  constructor(size: number) {
    this.bytes = new Uint8Array(size);
  }

  get full(): boolean {
    return this.length === this.bytes.length;
  }

  reset(size: number): void {
    this.bytes = new Uint8Array(size);
    this.length = 0;
  }

  take(bytes: Uint8Array, start: number, end: number): number {
    const stop = Math.min(end, start + this.bytes.length - this.length);
    this.bytes.set(bytes.subarray(start, stop), this.length);
    this.length += stop - start;
    return stop;
  }
}

function genuineKey(name: string): Uint8Array {
  return Uint8Array.from([...Array.from(name, (letter) => letter.charCodeAt(0)), ...genuineTail]);
}

function packet(random: Random, time: number, version: number): Uint8Array {
  const bytes = new Uint8Array(packetSize);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, time);
  view.setUint32(4, version);
  bytes.set(random(packetSize - 8), 8);
  return bytes;
}

/** The block begins (schema 1 at 8, schema 0 at 772) with four bytes whose sum says where in it the digest stands. */
function digestAt(bytes: Uint8Array, schema: DigestSchema): number {
  const block = schema === 1 ? 8 : 8 + blockSize;
  const sum = bytes[block]! + bytes[block + 1]! + bytes[block + 2]! + bytes[block + 3]!;
  return block + 4 + (sum % (blockSize - digestSize - 4));
}

function digestOf(bytes: Uint8Array, at: number, key: Uint8Array, hmac: Hmac): Uint8Array {
  return hmac(key, concat([bytes.subarray(0, at), bytes.subarray(at + digestSize)]));
}

function sign(bytes: Uint8Array, schema: DigestSchema, key: Uint8Array, hmac: Hmac): Uint8Array {
  const at = digestAt(bytes, schema);
  const digest = digestOf(bytes, at, key, hmac);
  bytes.set(digest, at);
  return digest;
}

function findDigest(
  bytes: Uint8Array,
  key: Uint8Array,
  hmac: Hmac,
): { schema: DigestSchema; digest: Uint8Array } | undefined {
  for (const schema of [1, 0] as const) {
    const at = digestAt(bytes, schema);
    const digest = bytes.slice(at, at + digestSize);
    if (sameBytes(digestOf(bytes, at, key, hmac), digest)) return { schema, digest };
  }
  return undefined;
}

/** C2 and S2 of the digest form: random bytes, signed at the end with a key made from the other side's digest. */
function signAnswer(bytes: Uint8Array, key: Uint8Array, digest: Uint8Array, hmac: Hmac): Uint8Array {
  const answer = bytes.slice(0, packetSize);
  answer.set(hmac(hmac(key, digest), answer.subarray(0, signedSize)), signedSize);
  return answer;
}

function answers(bytes: Uint8Array, key: Uint8Array, digest: Uint8Array, hmac: Hmac): boolean {
  return sameBytes(hmac(hmac(key, digest), bytes.subarray(0, signedSize)), bytes.subarray(signedSize));
}

/** The second four bytes of an echo are the time it was read, and not part of it (section 5.2.4). */
function echoes(echo: Uint8Array, original: Uint8Array): boolean {
  return (
    sameBytes(echo.subarray(0, 4), original.subarray(0, 4)) &&
    sameBytes(echo.subarray(8), original.subarray(8))
  );
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

function checkVersion(name: string, bytes: Uint8Array, length: number): void {
  if (length === 0 || bytes[0] === rtmpVersion) return;
  throw new ProtocolError(ProtocolErrorCode.RtmpVersion, `${name} with version 3`, `version ${bytes[0]}`);
}

function hmacOf(options: ClientHandshakeOptions): Hmac {
  if (options.hmac === undefined) throw new TypeError('the digest handshake needs options.hmac');
  return options.hmac;
}

function wrongEcho(answer: string, original: string): ProtocolError {
  return new ProtocolError(
    ProtocolErrorCode.RtmpHandshakeEcho,
    `${answer} to echo ${original} or to carry a digest made from it`,
    'neither',
  );
}
