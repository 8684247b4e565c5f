/** Ranges of sequence numbers, in order, none touching another: what a receiver misses, what a sender must send again. */
import { sequenceAdd, sequenceDistance } from './sequence.ts';

const START_RANGES = 8;

/** Plain arrays that grow to their high-water mark; nothing is allocated per packet. */
export class LossList {
  /** Ranges. */
  count = 0;
  /** Sequence numbers in all ranges. */
  size = 0;
  private first = new Int32Array(START_RANGES);
  private last = new Int32Array(START_RANGES);
  private readonly limit: number;

  /** @param limit most ranges; more are left out. */
  constructor(limit: number) {
    this.limit = limit;
  }

  get empty(): boolean {
    return this.count === 0;
  }

  firstOf(index: number): number {
    return this.first[index]!;
  }

  lastOf(index: number): number {
    return this.last[index]!;
  }

  clear(): void {
    this.count = 0;
    this.size = 0;
  }

  /** Adds first to last, both included; what is there already is merged. */
  insert(first: number, last: number): void {
    // Nearly always behind all others.
    let from = this.count;
    while (from > 0 && sequenceDistance(this.last[from - 1]!, first) <= 1) from--;
    let to = from;
    while (to < this.count && sequenceDistance(last, this.first[to]!) <= 1) {
      if (sequenceDistance(this.first[to]!, first) > 0) first = this.first[to]!;
      if (sequenceDistance(last, this.last[to]!) > 0) last = this.last[to]!;
      to++;
    }
    if (from === to && this.count >= this.limit) return;
    for (let index = from; index < to; index++) this.size -= this.lengthOf(index);
    this.replace(from, to, 1);
    this.first[from] = first;
    this.last[from] = last;
    this.size += this.lengthOf(from);
  }

  /** Returns whether it was there. */
  remove(sequence: number): boolean {
    for (let index = 0; index < this.count; index++) {
      const first = this.first[index]!;
      if (sequenceDistance(first, sequence) < 0) return false;
      const last = this.last[index]!;
      if (sequenceDistance(sequence, last) < 0) continue;
      this.size--;
      if (first === last) this.replace(index, index + 1, 0);
      else if (sequence === first) this.first[index] = sequenceAdd(first, 1);
      else if (sequence === last) this.last[index] = sequenceAdd(last, -1);
      else if (this.count < this.limit) {
        this.replace(index, index + 1, 2);
        this.first[index] = first;
        this.last[index] = sequenceAdd(sequence, -1);
        this.first[index + 1] = sequenceAdd(sequence, 1);
        this.last[index + 1] = last;
      } else {
        // No room to split: what comes after it is forgotten.
        this.size -= sequenceDistance(sequence, last);
        this.last[index] = sequenceAdd(sequence, -1);
      }
      return true;
    }
    return false;
  }

  /** Removes all that is before `sequence`. Returns how many that were. */
  removeBefore(sequence: number): number {
    const before = this.size;
    let gone = 0;
    while (gone < this.count && sequenceDistance(this.last[gone]!, sequence) > 0) {
      this.size -= this.lengthOf(gone);
      gone++;
    }
    if (gone > 0) this.replace(0, gone, 0);
    if (this.count > 0) {
      const inside = sequenceDistance(this.first[0]!, sequence);
      if (inside > 0) {
        this.first[0] = sequence;
        this.size -= inside;
      }
    }
    return before - this.size;
  }

  /** Removes first to last, both included. Returns how many that were. */
  removeRange(first: number, last: number): number {
    const before = this.size;
    let index = 0;
    while (index < this.count) {
      const a = this.first[index]!;
      const b = this.last[index]!;
      if (sequenceDistance(last, a) > 0) break;
      if (sequenceDistance(first, b) < 0) {
        index++;
        continue;
      }
      const left = sequenceDistance(a, first) > 0;
      const right = sequenceDistance(last, b) > 0;
      this.size -= this.lengthOf(index);
      const kept = (left ? 1 : 0) + (right && (this.count < this.limit || !left) ? 1 : 0);
      this.replace(index, index + 1, kept);
      if (left) {
        this.first[index] = a;
        this.last[index] = sequenceAdd(first, -1);
        this.size += this.lengthOf(index);
      }
      if (right && kept > (left ? 1 : 0)) {
        const at = index + kept - 1;
        this.first[at] = sequenceAdd(last, 1);
        this.last[at] = b;
        this.size += this.lengthOf(at);
      }
      index += kept;
    }
    return before - this.size;
  }

  /** Takes the first number out; -1 when empty. */
  shift(): number {
    if (this.count === 0) return -1;
    const first = this.first[0]!;
    this.remove(first);
    return first;
  }

  private lengthOf(index: number): number {
    return sequenceDistance(this.first[index]!, this.last[index]!) + 1;
  }

  /** Ranges `from` up to `to` become `many` ranges to be filled in. */
  private replace(from: number, to: number, many: number): void {
    const count = this.count + many - (to - from);
    if (count > this.first.length) {
      const room = Math.max(count, this.first.length * 2);
      this.first = grown(this.first, room);
      this.last = grown(this.last, room);
    }
    if (from + many !== to) {
      this.first.copyWithin(from + many, to, this.count);
      this.last.copyWithin(from + many, to, this.count);
    }
    this.count = count;
  }
}

function grown(array: Int32Array<ArrayBuffer>, room: number): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(room);
  larger.set(array);
  return larger;
}
