/** Fetches one media segment or byte range of one and hands it on as it comes; a second try goes on where the first ended. */
import { ProtocolError, ProtocolErrorCode } from '../../protocols/errors.ts';
import type { MediaSegment } from '../../protocols/hls/playlist.ts';
import type { ResponseHead } from '../../protocols/http1/response-reader.ts';
import type { HttpExchange } from '../client.ts';
import type { HttpFailure } from '../http/connection.ts';
import { Fetch, type FetchContext, type FetchRequest } from './fetch.ts';

export interface SegmentSink {
  /** Throws ProtocolError. */
  onSegmentBytes(bytes: Uint8Array, start: number, end: number, at: number): void;
  /** Throws ProtocolError. */
  onSegmentEnd(at: number): void;
  onSegmentDone(exchange: HttpExchange, failure: HttpFailure | undefined): void;
}

export class SegmentFetch extends Fetch {
  // Plain fields: every byte of every player passes here.
  /** Bytes of the segment that were handed on, in this try and in those before it. */
  delivered = 0;
  private readonly sink: SegmentSink;
  private range: MediaSegment['byteRange'] = undefined;
  /** Bytes of the present answer that come before what is wanted. */
  private skip = 0;
  /** Bytes of it that are wanted still. */
  private wanted = Number.POSITIVE_INFINITY;
  private limitMs = 0;

  constructor(context: FetchContext, sink: SegmentSink) {
    super('segment', context);
    this.sink = sink;
  }

  /** @param limitMs for the body. */
  load(segment: MediaSegment, request: FetchRequest, again: boolean, limitMs: number): void {
    this.range = segment.byteRange;
    this.limitMs = limitMs;
    if (!again) this.delivered = 0;
    const { range } = this;
    this.start(
      range === undefined
        ? request
        : {
            ...request,
            headers: {
              ...request.headers,
              Range: `bytes=${range.offset}-${range.offset + range.length - 1}`,
            },
          },
    );
  }

  protected override get bodyMs(): number {
    return Math.max(super.bodyMs, this.limitMs);
  }

  protected override accepts({ status, headers }: ResponseHead): boolean {
    const { range } = this;
    this.skip = this.delivered;
    this.wanted = Number.POSITIVE_INFINITY;
    if (range === undefined) return status === 200;
    this.wanted = range.length - this.delivered;
    // RFC 9110 section 14.2: a server may ignore Range and send all.
    if (status === 200) this.skip += range.offset;
    else if (status === 206) checkContentRange(headers.get('content-range'), range.offset);
    return status === 200 || status === 206;
  }

  protected override body(bytes: Uint8Array, start: number, end: number, at: number): void {
    let from = start;
    if (this.skip > 0) {
      const skipped = Math.min(this.skip, end - start);
      this.skip -= skipped;
      from += skipped;
      if (from === end) return;
    }
    const to = Math.min(end, from + this.wanted);
    this.wanted -= to - from;
    this.delivered += to - from;
    if (to > from) this.sink.onSegmentBytes(bytes, from, to, at);
    if (this.wanted === 0 && to < end) this.enough(at);
  }

  protected override complete(at: number): void {
    if (this.wanted !== Number.POSITIVE_INFINITY && this.wanted > 0) {
      throw new ProtocolError(
        ProtocolErrorCode.HttpTruncated,
        `${this.range!.length} bytes of the range`,
        `${this.wanted} less`,
      );
    }
    if (this.delivered === 0) {
      throw new ProtocolError(ProtocolErrorCode.TsPacket, 'packets of a transport stream', 'an empty body');
    }
    this.sink.onSegmentEnd(at);
  }

  protected override done(exchange: HttpExchange, failure: HttpFailure | undefined): void {
    this.sink.onSegmentDone(exchange, failure);
  }
}

function checkContentRange(value: string | undefined, offset: number): void {
  const from = /^bytes (\d+)-\d+\/(?:\d+|\*)$/.exec(value ?? '')?.[1];
  if (from !== undefined && Number(from) === offset) return;
  throw new ProtocolError(
    ProtocolErrorCode.HttpHeader,
    `Content-Range from ${offset} on`,
    JSON.stringify(value?.slice(0, 80)),
  );
}
