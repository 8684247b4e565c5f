/**
 * The checksum of the stamp: four lanes of 32 bits, each an xor-and-multiply chain over every fourth little-endian
 * word. Made for detecting damage at the speed of memory, not for cryptography.
 *
 * - Word i goes into lane i mod 4: `lane = (lane ^ word) * 0x9E3779B1 mod 2^32`. The last word is filled up with zero
 *   bytes.
 * - The digest folds the lanes, in order, into the byte length and mixes the result. Each step is a bijection in each
 *   of its operands, so damage that is confined to one word always changes the digest. Other damage goes unseen
 *   once in 2^32, but for one structured case: the top bit of two words of one lane, both flipped, cancel out.
 */

import { kernel } from './checksum-kernel.ts';
import { wordsOf } from './words.ts';

const MULTIPLIER = 0x9e3779b1 | 0;
const SEED0 = 0x243f6a88 | 0;
const SEED1 = 0x85a308d3 | 0;
const SEED2 = 0x13198a2e | 0;
const SEED3 = 0x03707344 | 0;

/** Below this a call into WebAssembly costs more than it saves. Bytes. */
const LEAST_FAST = 64;

export class Checksum {
  // Plain fields: this runs over every byte of every player.
  private lane0 = SEED0;
  private lane1 = SEED1;
  private lane2 = SEED2;
  private lane3 = SEED3;
  /** The bytes of an unfinished word, low byte first. */
  private pending = 0;
  private length = 0;

  reset(): void {
    this.lane0 = SEED0;
    this.lane1 = SEED1;
    this.lane2 = SEED2;
    this.lane3 = SEED3;
    this.pending = 0;
    this.length = 0;
  }

  update(bytes: Uint8Array, start: number, end: number): void {
    let at = start;
    while (at < end && (this.length & 3) !== 0) this.addByte(bytes[at++]!);
    if (at >= end) return;
    const { view, offset } = wordsOf(bytes);
    at = (at + offset) | 0;
    const last = (end + offset) | 0;
    while ((this.length & 15) !== 0 && last - at >= 4) {
      this.addWord(view.getInt32(at, true));
      this.length += 4;
      at = (at + 4) | 0;
    }
    const blocks = (last - at) & ~15;
    if (blocks > 0) {
      if (blocks >= LEAST_FAST && kernel !== undefined && view.buffer === kernel.buffer)
        this.addBlocksFast(at, (at + blocks) | 0);
      else this.addBlocks(view, at, (at + blocks) | 0);
      at = (at + blocks) | 0;
    }
    const rest = last - at;
    if (rest >= 4) this.lane0 = Math.imul(this.lane0 ^ view.getInt32(at, true), MULTIPLIER);
    if (rest >= 8) this.lane1 = Math.imul(this.lane1 ^ view.getInt32((at + 4) | 0, true), MULTIPLIER);
    if (rest >= 12) this.lane2 = Math.imul(this.lane2 ^ view.getInt32((at + 8) | 0, true), MULTIPLIER);
    this.length += blocks + (rest & ~3);
    at = end - (rest & 3);
    while (at < end) this.addByte(bytes[at++]!);
  }

  private addBlocksFast(start: number, end: number): void {
    const { lanes, run } = kernel!;
    lanes[0] = this.lane0;
    lanes[1] = this.lane1;
    lanes[2] = this.lane2;
    lanes[3] = this.lane3;
    run(start, end);
    this.lane0 = lanes[0]!;
    this.lane1 = lanes[1]!;
    this.lane2 = lanes[2]!;
    this.lane3 = lanes[3]!;
  }

  private addBlocks(words: DataView, start: number, end: number): void {
    let lane0 = this.lane0;
    let lane1 = this.lane1;
    let lane2 = this.lane2;
    let lane3 = this.lane3;
    // "| 0" tells V8 that no offset overflows, which is worth a tenth of the time.
    for (let at = start; at < end; at = (at + 16) | 0) {
      lane0 = Math.imul(lane0 ^ words.getInt32(at, true), MULTIPLIER);
      lane1 = Math.imul(lane1 ^ words.getInt32((at + 4) | 0, true), MULTIPLIER);
      lane2 = Math.imul(lane2 ^ words.getInt32((at + 8) | 0, true), MULTIPLIER);
      lane3 = Math.imul(lane3 ^ words.getInt32((at + 12) | 0, true), MULTIPLIER);
    }
    this.lane0 = lane0;
    this.lane1 = lane1;
    this.lane2 = lane2;
    this.lane3 = lane3;
  }

  /** The checksum of the bytes so far, 0 to 2^32 - 1. More bytes may follow. */
  digest(): number {
    let lane0 = this.lane0;
    let lane1 = this.lane1;
    let lane2 = this.lane2;
    let lane3 = this.lane3;
    if ((this.length & 3) !== 0) {
      switch (this.length & 12) {
        case 0:
          lane0 = Math.imul(lane0 ^ this.pending, MULTIPLIER);
          break;
        case 4:
          lane1 = Math.imul(lane1 ^ this.pending, MULTIPLIER);
          break;
        case 8:
          lane2 = Math.imul(lane2 ^ this.pending, MULTIPLIER);
          break;
        default:
          lane3 = Math.imul(lane3 ^ this.pending, MULTIPLIER);
      }
    }
    let hash = this.length | 0;
    hash = fold(hash, lane0);
    hash = fold(hash, lane1);
    hash = fold(hash, lane2);
    hash = fold(hash, lane3);
    // The finaliser of MurmurHash3, a bijection of 32 bits.
    hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
    hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
    return (hash ^ (hash >>> 16)) >>> 0;
  }

  private addByte(byte: number): void {
    const place = this.length & 3;
    this.pending |= byte << (place * 8);
    if (place === 3) {
      this.addWord(this.pending);
      this.pending = 0;
    }
    this.length++;
  }

  /** `length` still counts the bytes before this word (its own first three may be included). */
  private addWord(word: number): void {
    switch (this.length & 12) {
      case 0:
        this.lane0 = Math.imul(this.lane0 ^ word, MULTIPLIER);
        break;
      case 4:
        this.lane1 = Math.imul(this.lane1 ^ word, MULTIPLIER);
        break;
      case 8:
        this.lane2 = Math.imul(this.lane2 ^ word, MULTIPLIER);
        break;
      default:
        this.lane3 = Math.imul(this.lane3 ^ word, MULTIPLIER);
    }
  }
}

function fold(hash: number, lane: number): number {
  const turned = (hash << 13) | (hash >>> 19);
  return Math.imul(turned ^ lane, MULTIPLIER);
}
