/**
 * The two forms of the RTMP handshake, made and verified here with nothing but `node:crypto`: the server under test
 * and our own driver share `protocols/rtmp/handshake.ts`, so a mistake in it would be hidden from both.
 *
 * Simple form: RTMP 1.0 section 5.2. Digest form: not in that document; as Flash Player 9.0.115 and later and every
 * server of the field have it (SRS protocol/srs_protocol_rtmp_handshake.cpp, ffmpeg libavformat/rtmpproto.c).
 */
import { createHmac, randomBytes } from 'node:crypto';

export const RTMP_VERSION = 3;
/** C1, C2, S1 and S2. */
export const BLOCK_SIZE = 1536;
const DIGEST_SIZE = 32;
/** Key and digest have half of what follows time and version each: (1536 - 8) / 2. */
const HALF_SIZE = 764;

const SECRET = Buffer.from('f0eec24a8068bee82e00d0d1029e7e576eec5d2d29806fab93b8e636cfeb31ae', 'hex');
const PLAYER_NAME = Buffer.from('Genuine Adobe Flash Player 001', 'ascii');
const SERVER_NAME = Buffer.from('Genuine Adobe Flash Media Server 001', 'ascii');
const PLAYER_KEY = Buffer.concat([PLAYER_NAME, SECRET]);
const SERVER_KEY = Buffer.concat([SERVER_NAME, SECRET]);

/** Which half holds the digest: `keyFirst` (SRS: schema 0) has it in the second, `digestFirst` in the first. */
export type DigestScheme = 'keyFirst' | 'digestFirst';
export const DIGEST_SCHEMES: readonly DigestScheme[] = ['keyFirst', 'digestFirst'];

function hmac(key: Uint8Array, data: Uint8Array): Buffer {
  return createHmac('sha256', key).update(data).digest();
}

/** Where the digest lies: the four bytes before its half's data (or, key first, at the half's start) sum up to it. */
function digestAt(block: Uint8Array, scheme: DigestScheme): number {
  const half = scheme === 'keyFirst' ? 8 + HALF_SIZE : 8;
  const sum = block[half]! + block[half + 1]! + block[half + 2]! + block[half + 3]!;
  return half + 4 + (sum % (HALF_SIZE - 4 - DIGEST_SIZE));
}

function digestOf(block: Uint8Array, at: number, key: Uint8Array): Buffer {
  const rest = Buffer.concat([block.subarray(0, at), block.subarray(at + DIGEST_SIZE)]);
  return hmac(key, rest);
}

/** C1 of the simple form: time 0, four zero bytes, 1528 random ones. */
export function simpleC1(): Buffer {
  const c1 = randomBytes(BLOCK_SIZE);
  c1.fill(0, 0, 8);
  return c1;
}

/** C1 of the digest form. */
export function digestC1(scheme: DigestScheme): Buffer {
  const c1 = randomBytes(BLOCK_SIZE);
  c1.fill(0, 0, 4);
  c1.set([0x80, 0, 7, 2], 4);
  const at = digestAt(c1, scheme);
  c1.set(digestOf(c1, at, PLAYER_NAME), at);
  return c1;
}

/** C2 of the simple form: S1's time, the time at which it was read, S1's random bytes. */
export function simpleC2(s1: Uint8Array, readAt: number): Buffer {
  const c2 = Buffer.from(s1);
  c2.writeUInt32BE(readAt >>> 0, 4);
  return c2;
}

/** C2 of the digest form: random bytes, and a digest of them keyed by S1's digest. */
export function digestC2(s1Digest: Uint8Array): Buffer {
  const c2 = randomBytes(BLOCK_SIZE);
  const body = c2.subarray(0, BLOCK_SIZE - DIGEST_SIZE);
  c2.set(hmac(hmac(PLAYER_KEY, s1Digest), body), BLOCK_SIZE - DIGEST_SIZE);
  return c2;
}

/** The digest in C1 or S1, when one verifies under either scheme. */
export function findDigest(
  block: Uint8Array,
  side: 'client' | 'server',
): { readonly scheme: DigestScheme; readonly digest: Uint8Array } | undefined {
  const key = side === 'client' ? PLAYER_NAME : SERVER_NAME;
  for (const scheme of DIGEST_SCHEMES) {
    const at = digestAt(block, scheme);
    const digest = block.subarray(at, at + DIGEST_SIZE);
    if (digestOf(block, at, key).equals(digest)) return { scheme, digest };
  }
  return undefined;
}

/** How many bytes of S2 differ from C1 where the specification wants them equal: time, and the random bytes. */
export function echoMistakes(c1: Uint8Array, s2: Uint8Array): number {
  let mistakes = 0;
  for (let at = 0; at < BLOCK_SIZE; at++) {
    const timeOfReading = at >= 4 && at < 8;
    if (!timeOfReading && c1[at] !== s2[at]) mistakes += 1;
  }
  return mistakes;
}

/** Whether the last 32 bytes of S2 (or C2) are its digest, keyed by the digest of the block that it answers. */
export function answersDigest(block: Uint8Array, side: 'client' | 'server', peerDigest: Uint8Array): boolean {
  const key = hmac(side === 'client' ? PLAYER_KEY : SERVER_KEY, peerDigest);
  const body = block.subarray(0, BLOCK_SIZE - DIGEST_SIZE);
  return hmac(key, body).equals(block.subarray(BLOCK_SIZE - DIGEST_SIZE));
}
