/** Access units as byte streams (H.264 Annex B), which is how MPEG-TS carries them, scanned for their stamp. */
import { isSlice, NalType, nalType } from './nal.ts';
import { STAMP_SIZE, StampedUnit } from './stamp.ts';

/** Where the next byte belongs: before any NAL unit, to the header of one, or to the inside of one. */
const Inside = { nothing: 0, header: 1, slice: 2, sei: 3, other: 4 } as const;
type Inside = (typeof Inside)[keyof typeof Inside];

/** Zero bytes that turned out to be part of a slice are handed on in pieces of this. */
const ZEROS = new Uint8Array(64);

/**
 * Reads the stamp of an access unit as its pieces come, split anywhere: `begin`, `data` any number of times, `end`,
 * and then the fields are those of this access unit. What AccessUnitScanner is for FLV, with these differences: the
 * length is not known before `end`; the access unit is a keyframe when it has an IDR slice; and `config` is one without
 * any slice, an empty one included. Malformed are bytes before the first start code and NAL units without a byte.
 * Never throws, keeps no media and allocates nothing per frame.
 */
export class AnnexBScanner extends StampedUnit {
  // Plain fields: this runs over every byte of every player.
  private inside: Inside = Inside.nothing;
  /** Zero bytes at the end of the piece before: part of a start code, of the NAL unit, or of nothing. */
  private zeros = 0;
  /** An SEI NAL unit that may be the stamp, and how many bytes of it there were. */
  private readonly sei = new Uint8Array(STAMP_SIZE);
  private seiSize = 0;

  begin(): void {
    this.clear();
    this.inside = Inside.nothing;
    this.zeros = 0;
  }

  data(bytes: Uint8Array, start: number, end: number): void {
    let at = start;
    if (this.zeros > 0) {
      at = this.afterZeros(bytes, at, end);
      if (at < 0) return;
    }
    for (;;) {
      const code = findStartCode(bytes, at, end);
      const limit = code < 0 ? end : code;
      let last = limit;
      while (last > at && bytes[last - 1] === 0) last--;
      if (last > at) this.take(bytes, at, last);
      if (code < 0) {
        this.zeros = limit - last;
        return;
      }
      this.startCode();
      at = code + 3;
    }
  }

  end(): void {
    this.endUnit();
    if (this.inside === Inside.header) this.malformed = true;
    this.inside = Inside.nothing;
    this.config = !this.sliceSeen && !this.malformed;
    this.intact = !this.malformed && this.isVerified();
  }

  /** Decides what the zeros of the piece before are. Returns where to go on, or -1 when there are only more. */
  private afterZeros(bytes: Uint8Array, start: number, end: number): number {
    let at = start;
    while (at < end && bytes[at] === 0) at++;
    this.zeros += at - start;
    if (at === end) return -1;
    const { zeros } = this;
    this.zeros = 0;
    if (bytes[at] === 1 && zeros >= 2) {
      this.startCode();
      return at + 1;
    }
    for (let left = zeros; left > 0; left -= ZEROS.length) this.take(ZEROS, 0, Math.min(left, ZEROS.length));
    return at;
  }

  private startCode(): void {
    this.endUnit();
    if (this.inside === Inside.header) this.malformed = true;
    this.inside = Inside.header;
  }

  /** Bytes of a NAL unit, at least one. */
  private take(bytes: Uint8Array, start: number, end: number): void {
    if (this.inside === Inside.header) this.choose(bytes[start]!);
    if (this.inside === Inside.slice) {
      if (this.stamped) this.checksum.update(bytes, start, end);
    } else if (this.inside === Inside.sei) {
      const { sei, seiSize } = this;
      const room = Math.min(end - start, STAMP_SIZE - seiSize);
      for (let i = 0; i < room; i++) sei[seiSize + i] = bytes[start + i]!;
      this.seiSize = seiSize + end - start;
    } else if (this.inside === Inside.nothing) {
      this.malformed = true;
    }
  }

  private choose(firstByte: number): void {
    const type = nalType(firstByte);
    if (isSlice(type)) {
      this.sliceSeen = true;
      if (type === NalType.idrSlice) this.keyframe = true;
      this.inside = Inside.slice;
    } else if (firstByte === NalType.sei && !this.stamped && !this.sliceSeen) {
      this.seiSize = 0;
      this.inside = Inside.sei;
    } else {
      this.inside = Inside.other;
    }
  }

  private endUnit(): void {
    if (this.inside === Inside.sei && this.seiSize === STAMP_SIZE) this.readStamp(this.sei, 0);
  }
}

/**
 * Where the next 0 0 1 begins, or -1. Looks at every third byte as long as it is above 1, for then no start code has
 * it in its middle or at its end.
 */
function findStartCode(bytes: Uint8Array, start: number, end: number): number {
  let at = start + 2;
  while (at < end) {
    const byte = bytes[at]!;
    if (byte > 1) at += 3;
    else if (byte === 0) at++;
    else if (bytes[at - 1] === 0 && bytes[at - 2] === 0) return at - 2;
    else at += 3;
  }
  return -1;
}
