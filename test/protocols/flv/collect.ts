/** Whole tags out of the pieces that a MediaSink is given, and pieces out of whole bytes. */
import type { FlvSink } from '../../../protocols/flv/reader.ts';
import { FlvReader } from '../../../protocols/flv/reader.ts';
import type { MediaType } from '../../../protocols/media.ts';

export interface Tag {
  type: MediaType;
  timestamp: number;
  body: Uint8Array;
}

export class TagCollector implements FlvSink {
  readonly tags: Tag[] = [];
  flags: { audio: boolean; video: boolean } | undefined;
  /** Empty data calls, data outside of a tag, lengths that do not add up. */
  readonly faults: string[] = [];
  #open: { tag: Tag; at: number } | undefined;

  header(flags: { audio: boolean; video: boolean }): void {
    if (this.flags !== undefined) this.faults.push('header twice');
    this.flags = flags;
  }

  begin(type: MediaType, timestamp: number, length: number): void {
    if (this.#open !== undefined) this.faults.push('begin inside a tag');
    this.#open = { tag: { type, timestamp, body: new Uint8Array(length) }, at: 0 };
  }

  data(type: MediaType, bytes: Uint8Array, start: number, end: number): void {
    if (this.#open === undefined || this.#open.tag.type !== type) this.faults.push('data outside of its tag');
    if (end <= start) this.faults.push('empty data');
    this.#open!.tag.body.set(bytes.subarray(start, end), this.#open!.at);
    this.#open!.at += end - start;
  }

  end(type: MediaType): void {
    const open = this.#open!;
    if (open.tag.type !== type || open.at !== open.tag.body.length) this.faults.push('end too early');
    this.tags.push(open.tag);
    this.#open = undefined;
  }
}

/** Calls `push` with consecutive ranges of `bytes`, cut at these places (in any order, taken modulo the length). */
export function pushInPieces(
  bytes: Uint8Array,
  cuts: readonly number[],
  push: (bytes: Uint8Array, start: number, end: number) => void,
): void {
  const places = [...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length].sort((a, b) => a - b);
  let start = 0;
  for (const end of places) {
    push(bytes, start, end);
    start = end;
  }
}

export function readTags(bytes: Uint8Array): Tag[] {
  const collector = new TagCollector();
  new FlvReader(collector).push(bytes);
  return collector.tags;
}
