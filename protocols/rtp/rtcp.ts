/** RTCP (RFC 3550 section 6) and the feedback messages of WebRTC (RFC 4585, RFC 5104), as compound packets. */
import { ProtocolError, ProtocolErrorCode } from '../errors.ts';
import { setUint32, uint32 } from './packet.ts';

/** Packet types. */
export const RtcpType = {
  senderReport: 200,
  receiverReport: 201,
  sourceDescription: 202,
  goodbye: 203,
  transportFeedback: 205,
  payloadFeedback: 206,
} as const;

/** FMT of RTPFB (RFC 4585 section 6.2.1). */
const FORMAT_NACK = 1;
/** FMT of PSFB (RFC 4585 section 6.3.1; RFC 5104 section 4.3.1). */
const FORMAT_PLI = 1;
const FORMAT_FIR = 4;
/** SDES item types (RFC 3550 section 6.5). */
const SDES_END = 0;
const SDES_CNAME = 1;

const HEADER_SIZE = 4;
const REPORT_SIZE = 24;
const MAX_COUNT = 31;

/** RFC 3550 section 6.4.1. */
export interface ReportBlock {
  readonly ssrc: number;
  /** Of the interval since the last report, in 1/256. */
  readonly fractionLost: number;
  /** Since the beginning; below zero when duplicates came. 24 bit, signed. */
  readonly lost: number;
  /** Extended: cycles in the upper 16 bits. */
  readonly highestSequence: number;
  /** In units of the RTP clock. */
  readonly jitter: number;
  /** Middle 32 bits of the NTP time of the last SR; 0 for none. */
  readonly lastSr: number;
  /** Since that SR came, in 1/65536 s. */
  readonly delaySinceLastSr: number;
}

export interface SenderReport {
  readonly type: 'sender-report';
  readonly ssrc: number;
  /** Seconds since 1900 and their fraction in 1/2^32. */
  readonly ntpSeconds: number;
  readonly ntpFraction: number;
  readonly rtpTimestamp: number;
  readonly packets: number;
  /** Of payload. */
  readonly octets: number;
  readonly reports: readonly ReportBlock[];
}

export interface ReceiverReport {
  readonly type: 'receiver-report';
  readonly ssrc: number;
  readonly reports: readonly ReportBlock[];
}

/** Only the CNAME is kept of a chunk's items. */
export interface SourceDescription {
  readonly type: 'source-description';
  readonly chunks: readonly { readonly ssrc: number; readonly cname: string }[];
}

export interface Goodbye {
  readonly type: 'goodbye';
  readonly ssrcs: readonly number[];
}

/** Generic NACK: sequence numbers that are wanted again. */
export interface Nack {
  readonly type: 'nack';
  readonly ssrc: number;
  readonly mediaSsrc: number;
  /** Ascending, modulo 2^16. */
  readonly sequences: readonly number[];
}

/** Picture Loss Indication. */
export interface PictureLoss {
  readonly type: 'picture-loss';
  readonly ssrc: number;
  readonly mediaSsrc: number;
}

/** Full Intra Request: what a conference asks for instead of a PLI. Read, never sent by us. */
export interface FullIntraRequest {
  readonly type: 'full-intra-request';
  readonly ssrc: number;
  readonly mediaSsrcs: readonly number[];
}

export type RtcpMessage =
  | SenderReport
  | ReceiverReport
  | SourceDescription
  | Goodbye
  | Nack
  | PictureLoss
  | FullIntraRequest;

/** Well-formed and of a type or format that is not read here: APP, XR, REMB, transport-wide feedback. */
export interface OtherRtcp {
  readonly type: 'other';
  readonly packetType: number;
  /** The five bits of count, subtype or FMT. */
  readonly format: number;
}

/**
 * All packets of a compound packet; also of a reduced-size one (RFC 5506).
 * @throws ProtocolError RtcpPacket
 */
export function parseRtcp(bytes: Uint8Array, start = 0, end = bytes.length): (RtcpMessage | OtherRtcp)[] {
  const messages: (RtcpMessage | OtherRtcp)[] = [];
  let at = start;
  if (at === end) fail('a packet', 'nothing');
  while (at < end) {
    if (end - at < HEADER_SIZE) fail(`a header of ${HEADER_SIZE} bytes`, `${end - at} bytes`);
    const first = bytes[at]!;
    if (first >> 6 !== 2) fail('version 2', String(first >> 6));
    const packetType = bytes[at + 1]!;
    const size = 4 * (((bytes[at + 2]! << 8) | bytes[at + 3]!) + 1);
    if (size > end - at) fail(`a packet of at most ${end - at} bytes`, String(size));
    let last = at + size;
    if ((first & 0x20) !== 0) {
      // Section 6.4.1: only the last packet of a compound packet may be padded.
      const padding = bytes[last - 1]!;
      if (last !== end || padding === 0 || padding > size - HEADER_SIZE) {
        fail('padding at the end, within its packet', `${padding} bytes`);
      }
      last -= padding;
    }
    messages.push(parseOne(packetType, first & 0x1f, bytes, at + HEADER_SIZE, last));
    at += size;
  }
  return messages;
}

function parseOne(
  packetType: number,
  count: number,
  bytes: Uint8Array,
  start: number,
  end: number,
): RtcpMessage | OtherRtcp {
  const need = (size: number, what: string): void => {
    if (end - start < size) fail(`${size} bytes of ${what}`, String(end - start));
  };
  switch (packetType) {
    case RtcpType.senderReport: {
      need(24 + count * REPORT_SIZE, 'a sender report');
      return {
        type: 'sender-report',
        ssrc: uint32(bytes, start),
        ntpSeconds: uint32(bytes, start + 4),
        ntpFraction: uint32(bytes, start + 8),
        rtpTimestamp: uint32(bytes, start + 12),
        packets: uint32(bytes, start + 16),
        octets: uint32(bytes, start + 20),
        reports: readReports(bytes, start + 24, count),
      };
    }
    case RtcpType.receiverReport:
      need(4 + count * REPORT_SIZE, 'a receiver report');
      return {
        type: 'receiver-report',
        ssrc: uint32(bytes, start),
        reports: readReports(bytes, start + 4, count),
      };
    case RtcpType.sourceDescription:
      return { type: 'source-description', chunks: readChunks(bytes, start, end, count) };
    case RtcpType.goodbye:
      need(4 * count, 'sources');
      return {
        type: 'goodbye',
        ssrcs: Array.from({ length: count }, (_, i) => uint32(bytes, start + 4 * i)),
      };
    case RtcpType.transportFeedback:
    case RtcpType.payloadFeedback:
      need(8, 'feedback');
      return readFeedback(packetType, count, bytes, start, end);
    default:
      return { type: 'other', packetType, format: count };
  }
}

function readReports(bytes: Uint8Array, start: number, count: number): ReportBlock[] {
  return Array.from({ length: count }, (_, index) => {
    const at = start + index * REPORT_SIZE;
    return {
      ssrc: uint32(bytes, at),
      fractionLost: bytes[at + 4]!,
      lost: (uint32(bytes, at + 4) << 8) >> 8,
      highestSequence: uint32(bytes, at + 8),
      jitter: uint32(bytes, at + 12),
      lastSr: uint32(bytes, at + 16),
      delaySinceLastSr: uint32(bytes, at + 20),
    };
  });
}

/** Section 6.5: items end with a zero byte, and the chunk at the next multiple of four. */
function readChunks(
  bytes: Uint8Array,
  start: number,
  end: number,
  count: number,
): SourceDescription['chunks'] {
  const chunks: { ssrc: number; cname: string }[] = [];
  let at = start;
  for (let index = 0; index < count; index++) {
    if (end - at < 4) fail('a source', `${end - at} bytes`);
    const ssrc = uint32(bytes, at);
    let cname = '';
    at += 4;
    while (at < end && bytes[at] !== SDES_END) {
      const length = bytes[at + 1] ?? 0;
      if (at + 2 + length > end) fail('an item within its packet', `${length} bytes`);
      if (bytes[at] === SDES_CNAME) cname = text.decode(bytes.subarray(at + 2, at + 2 + length));
      at += 2 + length;
    }
    if (at >= end) fail('the end of a chunk', 'the end of its packet');
    at += 4 - ((at - start) % 4);
    chunks.push({ ssrc, cname });
  }
  return chunks;
}

function readFeedback(
  packetType: number,
  format: number,
  bytes: Uint8Array,
  start: number,
  end: number,
): RtcpMessage | OtherRtcp {
  const ssrc = uint32(bytes, start);
  const mediaSsrc = uint32(bytes, start + 4);
  if (packetType === RtcpType.transportFeedback && format === FORMAT_NACK) {
    const sequences: number[] = [];
    for (let at = start + 8; at + 4 <= end; at += 4) {
      const first = (bytes[at]! << 8) | bytes[at + 1]!;
      const following = (bytes[at + 2]! << 8) | bytes[at + 3]!;
      sequences.push(first);
      for (let bit = 0; bit < 16; bit++) {
        if ((following >> bit) & 1) sequences.push((first + bit + 1) & 0xffff);
      }
    }
    return { type: 'nack', ssrc, mediaSsrc, sequences };
  }
  if (packetType === RtcpType.payloadFeedback && format === FORMAT_PLI) {
    return { type: 'picture-loss', ssrc, mediaSsrc };
  }
  if (packetType === RtcpType.payloadFeedback && format === FORMAT_FIR) {
    const mediaSsrcs: number[] = [];
    for (let at = start + 8; at + 8 <= end; at += 8) mediaSsrcs.push(uint32(bytes, at));
    return { type: 'full-intra-request', ssrc, mediaSsrcs };
  }
  return { type: 'other', packetType, format };
}

/**
 * One compound packet of them, in this order. RFC 3550 section 6.1 wants a report first and a CNAME in each, unless
 * rtcp-rsize was negotiated (RFC 5506).
 * @throws ProtocolError RtcpPacket for more reports, sources or text than a packet can say.
 */
export function encodeRtcp(messages: readonly RtcpMessage[]): Uint8Array {
  const parts = messages.map(encodeOne);
  const bytes = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

function encodeOne(message: RtcpMessage): Uint8Array {
  switch (message.type) {
    case 'sender-report': {
      const bytes = packet(
        RtcpType.senderReport,
        message.reports.length,
        24 + message.reports.length * REPORT_SIZE,
      );
      const fields = [message.ssrc, message.ntpSeconds, message.ntpFraction, message.rtpTimestamp];
      for (const [index, value] of [...fields, message.packets, message.octets].entries()) {
        setUint32(bytes, HEADER_SIZE + 4 * index, value);
      }
      writeReports(bytes, HEADER_SIZE + 24, message.reports);
      return bytes;
    }
    case 'receiver-report': {
      const bytes = packet(
        RtcpType.receiverReport,
        message.reports.length,
        4 + message.reports.length * REPORT_SIZE,
      );
      setUint32(bytes, HEADER_SIZE, message.ssrc);
      writeReports(bytes, HEADER_SIZE + 4, message.reports);
      return bytes;
    }
    case 'source-description':
      return encodeChunks(message.chunks);
    case 'goodbye': {
      const bytes = packet(RtcpType.goodbye, message.ssrcs.length, 4 * message.ssrcs.length);
      for (const [index, ssrc] of message.ssrcs.entries()) setUint32(bytes, HEADER_SIZE + 4 * index, ssrc);
      return bytes;
    }
    case 'nack':
      return encodeNack(message);
    case 'picture-loss':
      return feedback(RtcpType.payloadFeedback, FORMAT_PLI, message.ssrc, message.mediaSsrc, 0);
    case 'full-intra-request': {
      const { ssrc, mediaSsrcs } = message;
      const bytes = feedback(RtcpType.payloadFeedback, FORMAT_FIR, ssrc, 0, 8 * mediaSsrcs.length);
      for (const [index, media] of mediaSsrcs.entries()) setUint32(bytes, HEADER_SIZE + 8 + 8 * index, media);
      return bytes;
    }
  }
}

function writeReports(bytes: Uint8Array, start: number, reports: readonly ReportBlock[]): void {
  for (const [index, report] of reports.entries()) {
    const at = start + index * REPORT_SIZE;
    setUint32(bytes, at, report.ssrc);
    setUint32(bytes, at + 4, report.lost & 0xffffff);
    bytes[at + 4] = report.fractionLost;
    setUint32(bytes, at + 8, report.highestSequence);
    setUint32(bytes, at + 12, report.jitter);
    setUint32(bytes, at + 16, report.lastSr);
    setUint32(bytes, at + 20, report.delaySinceLastSr);
  }
}

function encodeChunks(chunks: SourceDescription['chunks']): Uint8Array {
  const names = chunks.map(({ cname }) => new TextEncoder().encode(cname));
  if (names.some((name) => name.length > 255)) fail('a CNAME of at most 255 bytes', 'a longer one');
  // At least one zero byte ends the items.
  const sizes = names.map((name) => 4 * Math.floor((4 + 2 + name.length) / 4 + 1));
  const bytes = packet(
    RtcpType.sourceDescription,
    chunks.length,
    sizes.reduce((sum, size) => sum + size, 0),
  );
  let at = HEADER_SIZE;
  for (const [index, name] of names.entries()) {
    setUint32(bytes, at, chunks[index]!.ssrc);
    bytes[at + 4] = SDES_CNAME;
    bytes[at + 5] = name.length;
    bytes.set(name, at + 6);
    at += sizes[index]!;
  }
  return bytes;
}

function encodeNack({ ssrc, mediaSsrc, sequences }: Nack): Uint8Array {
  const pairs: { first: number; following: number }[] = [];
  for (const sequence of sequences) {
    const last = pairs.at(-1);
    const ahead = last === undefined ? 0 : (sequence - last.first) & 0xffff;
    if (last !== undefined && ahead >= 1 && ahead <= 16) last.following |= 1 << (ahead - 1);
    else pairs.push({ first: sequence, following: 0 });
  }
  const bytes = feedback(RtcpType.transportFeedback, FORMAT_NACK, ssrc, mediaSsrc, 4 * pairs.length);
  for (const [index, { first, following }] of pairs.entries()) {
    setUint32(bytes, HEADER_SIZE + 8 + 4 * index, ((first << 16) | following) >>> 0);
  }
  return bytes;
}

function feedback(type: number, format: number, ssrc: number, mediaSsrc: number, size: number): Uint8Array {
  const bytes = packet(type, format, 8 + size);
  setUint32(bytes, HEADER_SIZE, ssrc);
  setUint32(bytes, HEADER_SIZE + 4, mediaSsrc);
  return bytes;
}

/** @param size without the header, a multiple of four. */
function packet(type: number, count: number, size: number): Uint8Array {
  if (count > MAX_COUNT) fail(`at most ${MAX_COUNT} in one packet`, String(count));
  if (size > 0xffff * 4) fail('a packet of at most 262140 bytes', String(size));
  const bytes = new Uint8Array(HEADER_SIZE + size);
  bytes[0] = 0x80 | count;
  bytes[1] = type;
  bytes[2] = (size / 4) >> 8;
  bytes[3] = size / 4;
  return bytes;
}

/** Seconds from 1900 (NTP) to 1970 (RFC 5905 section 6). */
const NTP_EPOCH = 2_208_988_800;

/** NTP time of an epoch time in milliseconds; of 2036 and later modulo 2^32 seconds. */
export function ntpOf(epochMs: number): { ntpSeconds: number; ntpFraction: number } {
  const seconds = Math.floor(epochMs / 1000);
  const fraction = Math.floor((epochMs / 1000 - seconds) * 2 ** 32);
  return { ntpSeconds: (seconds + NTP_EPOCH) % 2 ** 32, ntpFraction: fraction >>> 0 };
}

const text = new TextDecoder();

function fail(expected: string, actual: string): never {
  throw new ProtocolError(ProtocolErrorCode.RtcpPacket, expected, actual);
}
