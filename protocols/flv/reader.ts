/** FLV as it arrives (Adobe FLV v10.1, E.2 to E.4.1): parsed in place, at any split, without a copy of a body. */
import { ProtocolError, ProtocolErrorCode } from '../errors.ts';
import { type MediaSink, MediaType } from '../media.ts';
import { TAG_HEADER_SIZE } from './writer.ts';

export interface FlvSink extends MediaSink {
  /** TypeFlagsAudio and TypeFlagsVideo of the file header. */
  header?(flags: { audio: boolean; video: boolean }): void;
}

export interface FlvLimits {
  /** Longest tag body. Default and most: 16 777 215, which is what DataSize can say. */
  maxTagSize: number;
  /** Largest DataOffset. Default 1024. */
  maxDataOffset: number;
}

const State = { fileHeader: 0, headerRest: 1, previousTagSize: 2, tagHeader: 3, body: 4 } as const;
type State = (typeof State)[keyof typeof State];

const FILE_HEADER_SIZE = 9;

/**
 * Push parser. Checks the signature, the version, DataOffset, every tag's type and StreamID and every
 * PreviousTagSize. It holds no media: at most 11 bytes of a split header. Not to be used after it threw.
 */
export class FlvReader {
  // Plain fields: this runs for every tag of every player.
  private readonly sink: FlvSink;
  private readonly maxTagSize: number;
  private readonly maxDataOffset: number;
  private readonly carry = new Uint8Array(TAG_HEADER_SIZE);
  private carried = 0;
  private state: State = State.fileHeader;
  private remaining = 0;
  private previousTagSize = 0;
  private type: MediaType = MediaType.script;

  constructor(sink: FlvSink, limits: Partial<FlvLimits> = {}) {
    this.sink = sink;
    this.maxTagSize = limits.maxTagSize ?? 0xffffff;
    this.maxDataOffset = limits.maxDataOffset ?? 1024;
  }

  /** True when everything so far is whole: a file may end here, and only here. */
  get atTagBoundary(): boolean {
    return this.state === State.tagHeader && this.carried === 0;
  }

  /**
   * @param now arrival of these bytes in epoch milliseconds, handed on to the sink; NaN when left out.
   * @throws ProtocolError FlvSignature, FlvHeader, FlvTag, FlvPreviousTagSize
   */
  push(bytes: Uint8Array, start = 0, end = bytes.length, now = Number.NaN): void {
    let at = start;
    while (at < end) {
      switch (this.state) {
        case State.body: {
          const take = Math.min(this.remaining, end - at);
          this.remaining -= take;
          this.sink.data(this.type, bytes, at, at + take);
          at += take;
          if (this.remaining === 0) this.endTag(now);
          break;
        }
        case State.previousTagSize:
          if (this.carried === 0 && end - at >= 4) {
            this.checkPreviousTagSize(bytes, at);
            at += 4;
          } else {
            at = this.fill(bytes, at, end, 4);
            if (this.carried === 4) this.checkPreviousTagSize(this.carry, 0);
          }
          break;
        case State.tagHeader:
          if (this.carried === 0 && end - at >= TAG_HEADER_SIZE) {
            this.beginTag(bytes, at, now);
            at += TAG_HEADER_SIZE;
          } else {
            at = this.fill(bytes, at, end, TAG_HEADER_SIZE);
            if (this.carried === TAG_HEADER_SIZE) this.beginTag(this.carry, 0, now);
          }
          break;
        case State.fileHeader:
          at = this.fill(bytes, at, end, FILE_HEADER_SIZE);
          this.checkSignature();
          if (this.carried === FILE_HEADER_SIZE) this.readFileHeader();
          break;
        case State.headerRest: {
          const skip = Math.min(this.remaining, end - at);
          at += skip;
          this.remaining -= skip;
          if (this.remaining === 0) this.state = State.previousTagSize;
          break;
        }
      }
    }
  }

  private fill(bytes: Uint8Array, start: number, end: number, size: number): number {
    let at = start;
    while (at < end && this.carried < size) this.carry[this.carried++] = bytes[at++]!;
    return at;
  }

  /** As soon as its bytes are there, so that a server that talks something else is not waited for. */
  private checkSignature(): void {
    const expected = [0x46, 0x4c, 0x56, 1];
    for (let i = 0; i < Math.min(this.carried, expected.length); i++) {
      if (this.carry[i] !== expected[i]) {
        const seen = Array.from(this.carry.subarray(0, i + 1), (byte) => byte.toString(16).padStart(2, '0'));
        throw new ProtocolError(
          ProtocolErrorCode.FlvSignature,
          'bytes 46 4c 56 01 ("FLV", version 1)',
          seen.join(' '),
        );
      }
    }
  }

  private readFileHeader(): void {
    const flags = this.carry[4]!;
    const dataOffset = readUint32(this.carry, 5);
    if (dataOffset < FILE_HEADER_SIZE || dataOffset > this.maxDataOffset) {
      throw new ProtocolError(
        ProtocolErrorCode.FlvHeader,
        `DataOffset from ${FILE_HEADER_SIZE} to ${this.maxDataOffset}`,
        String(dataOffset),
      );
    }
    this.carried = 0;
    this.remaining = dataOffset - FILE_HEADER_SIZE;
    this.state = this.remaining > 0 ? State.headerRest : State.previousTagSize;
    this.sink.header?.({ audio: (flags & 4) !== 0, video: (flags & 1) !== 0 });
  }

  private checkPreviousTagSize(bytes: Uint8Array, at: number): void {
    const size = readUint32(bytes, at);
    if (size !== this.previousTagSize) {
      throw new ProtocolError(
        ProtocolErrorCode.FlvPreviousTagSize,
        `PreviousTagSize ${this.previousTagSize}`,
        String(size),
      );
    }
    this.carried = 0;
    this.state = State.tagHeader;
  }

  private beginTag(bytes: Uint8Array, at: number, now: number): void {
    const type = bytes[at]!;
    if (type !== MediaType.video && type !== MediaType.audio && type !== MediaType.script) {
      throw new ProtocolError(ProtocolErrorCode.FlvTag, 'tag type 8, 9 or 18, not filtered', String(type));
    }
    const length = (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
    if (length > this.maxTagSize) {
      throw new ProtocolError(ProtocolErrorCode.FlvTag, `at most ${this.maxTagSize} bytes`, String(length));
    }
    const streamId = (bytes[at + 8]! << 16) | (bytes[at + 9]! << 8) | bytes[at + 10]!;
    if (streamId !== 0) {
      throw new ProtocolError(ProtocolErrorCode.FlvTag, 'StreamID 0', String(streamId));
    }
    const timestamp =
      ((bytes[at + 7]! << 24) | (bytes[at + 4]! << 16) | (bytes[at + 5]! << 8) | bytes[at + 6]!) >>> 0;
    this.carried = 0;
    this.type = type;
    this.remaining = length;
    this.previousTagSize = TAG_HEADER_SIZE + length;
    this.state = State.body;
    this.sink.begin(type, timestamp, length, now);
    if (length === 0) this.endTag(now);
  }

  private endTag(now: number): void {
    this.state = State.previousTagSize;
    this.sink.end(this.type, now);
  }
}

function readUint32(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
}
