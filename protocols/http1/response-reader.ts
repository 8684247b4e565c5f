/**
 * One HTTP/1.1 response as it arrives (RFC 9112): header section, then a body framed by chunks, by Content-Length or
 * by the end of the connection. The body is handed on in place, without a copy.
 */
import { ProtocolError, ProtocolErrorCode } from '../errors.ts';

export { encodeRequest, type Request } from './request.ts';

export interface ResponseHead {
  readonly status: number;
  readonly reason: string;
  /** Names in lower case; several fields of one name are joined by ", " (RFC 9110 section 5.2). */
  readonly headers: Map<string, string>;
  /** The header section as received, status line included, without the empty line; ISO 8859-1. */
  readonly raw: string;
}

export interface ResponseSink {
  /** Exactly once, before any body. Interim (1xx) responses are skipped. */
  onHead(head: ResponseHead): void;
  /** Never empty. `bytes` is the caller's buffer and only valid during the call. */
  onBody(bytes: Uint8Array, start: number, end: number): void;
  /** Exactly once, when the body is whole. */
  onEnd(): void;
}

export interface ResponseLimits {
  /** Bytes of a header section, and of a trailer section. Default 64 KiB. */
  maxHeaderSection: number;
  /** Bytes of a chunk-size line with its extensions. Default 4 KiB. */
  maxChunkLine: number;
  /** Default 1 GiB. */
  maxChunkSize: number;
}

const State = {
  head: 0,
  fixed: 1,
  untilClose: 2,
  chunkSize: 3,
  chunkSizeSpace: 4,
  chunkExtension: 5,
  chunkSizeLf: 6,
  chunkData: 7,
  chunkDataCr: 8,
  chunkDataLf: 9,
  trailer: 10,
  done: 11,
} as const;
type State = (typeof State)[keyof typeof State];

const HT = 9;
const LF = 10;
const CR = 13;
const SP = 32;
const SEMICOLON = 59;

const STATUS_LINE = /^HTTP\/1\.[01] ([1-9][0-9]{2})(?: ([\t\x20-\x7e\x80-\xff]*))?$/;
const FIELD_LINE = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+):([\t\x20-\x7e\x80-\xff]*)$/;

function statusLine(line: string): RegExpExecArray {
  const match = STATUS_LINE.exec(line);
  if (match !== null) return match;
  throw new ProtocolError(
    ProtocolErrorCode.HttpStartLine,
    'a status line of HTTP/1.1',
    JSON.stringify(line.slice(0, 80)),
  );
}

/**
 * Push parser for one response. Bytes after its end are ignored. Not to be used after it threw.
 */
export class ResponseReader {
  // Plain fields: this runs for every chunk of every player.
  private readonly sink: ResponseSink;
  private readonly maxHeaderSection: number;
  private readonly maxChunkLine: number;
  private readonly maxChunkSize: number;
  private state: State = State.head;
  /** Bytes of the header or trailer section so far; empty while a body is read. */
  private section: Uint8Array = new Uint8Array(0);
  private sectionLength = 0;
  private lineStart = 0;
  /** Bytes left of a chunk or of a body of known length. */
  private remaining = 0;
  /** Bytes of the chunk-size line so far, and the digits among them. */
  private chunkLineLength = 0;
  private chunkDigits = 0;

  constructor(sink: ResponseSink, limits: Partial<ResponseLimits> = {}) {
    this.sink = sink;
    this.maxHeaderSection = limits.maxHeaderSection ?? 64 * 1024;
    this.maxChunkLine = limits.maxChunkLine ?? 4 * 1024;
    this.maxChunkSize = limits.maxChunkSize ?? 2 ** 30;
  }

  /** True after `onEnd`, and after `stop`. */
  get done(): boolean {
    return this.state === State.done;
  }

  /** The rest is not wanted: the sink is told nothing more, not even of the bytes that are being pushed. */
  stop(): void {
    this.state = State.done;
  }

  /** @throws ProtocolError HttpStartLine, HttpHeader, HttpChunk */
  push(bytes: Uint8Array, start = 0, end = bytes.length): void {
    let at = start;
    while (at < end) {
      switch (this.state) {
        case State.chunkData:
        case State.fixed: {
          const take = Math.min(this.remaining, end - at);
          this.remaining -= take;
          this.sink.onBody(bytes, at, at + take);
          at += take;
          if (this.remaining === 0) {
            if (this.state === State.fixed) this.finish();
            else if (this.state === State.chunkData) this.state = State.chunkDataCr;
          }
          break;
        }
        case State.untilClose:
          this.sink.onBody(bytes, at, end);
          return;
        case State.head:
        case State.trailer:
          at = this.readSection(bytes, at, end);
          break;
        case State.done:
          return;
        default:
          this.readChunkByte(bytes[at++]!);
      }
    }
  }

  /**
   * The peer has closed its side.
   * @throws ProtocolError HttpTruncated when the response is not whole, HttpStartLine when its first line is and is none
   * of HTTP.
   */
  eof(): void {
    if (this.state === State.head) {
      const [first] = this.takeLines();
      if (first !== undefined) statusLine(first);
    }
    if (this.state === State.untilClose) this.finish();
    else if (this.state !== State.done) {
      throw new ProtocolError(
        ProtocolErrorCode.HttpTruncated,
        this.state === State.head
          ? 'a whole header section'
          : this.state === State.fixed
            ? `${this.remaining} more bytes of body`
            : 'the last chunk and its trailer section',
        'end of the connection',
      );
    }
  }

  /** RFC 9112 section 7.1: chunk-size [chunk-ext] CRLF, and the CRLF after chunk-data. */
  private readChunkByte(byte: number): void {
    switch (this.state) {
      case State.chunkDataCr:
        if (byte !== CR) throw chunkError('CR after the data of a chunk', byte);
        this.state = State.chunkDataLf;
        return;
      case State.chunkDataLf:
        if (byte !== LF) throw chunkError('LF after the data of a chunk', byte);
        this.beginChunkLine();
        return;
      case State.chunkSizeLf:
        if (byte !== LF) throw chunkError('LF after a chunk size', byte);
        if (this.remaining > 0) this.state = State.chunkData;
        else this.state = State.trailer;
        return;
      case State.chunkSize: {
        const digit = hexDigit(byte);
        if (digit >= 0) {
          this.remaining = this.remaining * 16 + digit;
          this.chunkDigits++;
          if (this.remaining > this.maxChunkSize) {
            throw new ProtocolError(
              ProtocolErrorCode.HttpChunk,
              `a chunk of at most ${this.maxChunkSize} bytes`,
              `${this.remaining} or more`,
            );
          }
          break;
        }
        if (this.chunkDigits === 0) throw chunkError('a hexadecimal chunk size', byte);
        this.afterChunkSize(byte, 'a hexadecimal digit, ";" or CR');
        break;
      }
      case State.chunkSizeSpace:
        this.afterChunkSize(byte, '";" or CR after a chunk size');
        break;
      case State.chunkExtension:
        if (byte === CR) this.state = State.chunkSizeLf;
        else if ((byte < SP && byte !== HT) || byte === 127) throw chunkError('a chunk extension', byte);
        break;
    }
    if (++this.chunkLineLength > this.maxChunkLine) {
      throw new ProtocolError(
        ProtocolErrorCode.HttpChunk,
        `a chunk-size line of at most ${this.maxChunkLine} bytes`,
        'a longer one',
      );
    }
  }

  private afterChunkSize(byte: number, expected: string): void {
    if (byte === CR) this.state = State.chunkSizeLf;
    else if (byte === SEMICOLON) this.state = State.chunkExtension;
    else if (byte === SP || byte === HT) this.state = State.chunkSizeSpace;
    else throw chunkError(expected, byte);
  }

  private beginChunkLine(): void {
    this.remaining = 0;
    this.chunkLineLength = 0;
    this.chunkDigits = 0;
    this.state = State.chunkSize;
  }

  /** Collects lines up to the empty one. Returns the offset after what was used. */
  private readSection(bytes: Uint8Array, start: number, end: number): number {
    let at = start;
    while (at < end) {
      const byte = bytes[at++]!;
      if (this.sectionLength >= this.maxHeaderSection) {
        throw new ProtocolError(
          ProtocolErrorCode.HttpHeader,
          `a header section of at most ${this.maxHeaderSection} bytes`,
          'a longer one',
        );
      }
      if (this.sectionLength === this.section.length) {
        const larger = new Uint8Array(Math.max(512, this.section.length * 2));
        larger.set(this.section);
        this.section = larger;
      }
      this.section[this.sectionLength++] = byte;
      if (byte !== LF) continue;
      const lineLength = this.sectionLength - 1 - this.lineStart;
      const empty = lineLength === 0 || (lineLength === 1 && this.section[this.lineStart] === CR);
      if (!empty) {
        this.lineStart = this.sectionLength;
        continue;
      }
      const lines = this.takeLines();
      if (this.state === State.head) this.readHead(lines);
      else {
        parseFields(lines);
        this.finish();
      }
      return at;
    }
    return at;
  }

  /** RFC 9112 section 2.2: a lone LF may end a line of a header section; a lone CR may not occur. */
  private takeLines(): string[] {
    let text = '';
    for (let i = 0; i < this.lineStart; i++) text += String.fromCharCode(this.section[i]!);
    this.section = new Uint8Array(0);
    this.sectionLength = 0;
    this.lineStart = 0;
    const lines = text.split('\n').map((line) => (line.endsWith('\r') ? line.slice(0, -1) : line));
    lines.pop();
    return lines;
  }

  private readHead(lines: string[]): void {
    const match = statusLine(lines[0] ?? '');
    const status = Number(match[1]);
    const headers = parseFields(lines.slice(1));
    if (status === 101) {
      throw new ProtocolError(ProtocolErrorCode.HttpStartLine, 'no change of protocols', 'status 101');
    }
    if (status < 200) return;
    this.beginBody(status, headers);
    this.sink.onHead({ status, reason: match[2] ?? '', headers, raw: lines.join('\r\n') });
    if (this.state === State.fixed && this.remaining === 0) this.finish();
  }

  /** RFC 9112 section 6.3. */
  private beginBody(status: number, headers: Map<string, string>): void {
    const coding = headers.get('transfer-encoding');
    const length = headers.get('content-length');
    if (status === 204 || status === 304) {
      this.remaining = 0;
      this.state = State.fixed;
    } else if (coding !== undefined) {
      if (coding.toLowerCase() !== 'chunked') {
        throw new ProtocolError(
          ProtocolErrorCode.HttpHeader,
          'Transfer-Encoding: chunked',
          JSON.stringify(coding),
        );
      }
      this.beginChunkLine();
    } else if (length !== undefined) {
      this.remaining = parseContentLength(length);
      this.state = State.fixed;
    } else {
      this.state = State.untilClose;
    }
  }

  private finish(): void {
    this.state = State.done;
    this.sink.onEnd();
  }
}

/** RFC 9112 section 5; a folded line (5.2) continues the value before it after one space. */
function parseFields(lines: string[]): Map<string, string> {
  const headers = new Map<string, string>();
  let last: string | undefined;
  for (const line of lines) {
    if (last !== undefined && (line[0] === ' ' || line[0] === '\t')) {
      const before = headers.get(last)!;
      const more = trimWhitespace(matchField(line, `folded:${line}`)[2]!);
      headers.set(last, before === '' || more === '' ? before + more : `${before} ${more}`);
      continue;
    }
    const match = matchField(line, line);
    last = match[1]!.toLowerCase();
    const value = trimWhitespace(match[2]!);
    const before = headers.get(last);
    headers.set(last, before === undefined ? value : `${before}, ${value}`);
  }
  return headers;
}

function matchField(line: string, candidate: string): RegExpExecArray {
  const match = FIELD_LINE.exec(candidate);
  if (match === null) {
    throw new ProtocolError(ProtocolErrorCode.HttpHeader, 'name: value', JSON.stringify(line.slice(0, 80)));
  }
  return match;
}

/** OWS, by hand: a regular expression for it takes quadratic time on a hostile line. */
function trimWhitespace(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && isWhitespace(text.charCodeAt(start))) start++;
  while (start < end && isWhitespace(text.charCodeAt(end - 1))) end--;
  return text.slice(start, end);
}

function isWhitespace(code: number): boolean {
  return code === SP || code === HT;
}

/** RFC 9112 section 6.3 point 5: a list of one value repeated is that value. */
function parseContentLength(text: string): number {
  const values = text.split(',').map((value) => value.trim());
  const first = values[0]!;
  const length = Number(first);
  if (!/^[0-9]+$/.test(first) || !Number.isSafeInteger(length) || values.some((value) => value !== first)) {
    throw new ProtocolError(
      ProtocolErrorCode.HttpHeader,
      'one Content-Length',
      JSON.stringify(text.slice(0, 80)),
    );
  }
  return length;
}

function hexDigit(byte: number): number {
  if (byte >= 48 && byte <= 57) return byte - 48;
  const lower = byte | 32;
  return lower >= 97 && lower <= 102 ? lower - 87 : -1;
}

function chunkError(expected: string, byte: number): ProtocolError {
  return new ProtocolError(
    ProtocolErrorCode.HttpChunk,
    expected,
    `byte 0x${byte.toString(16).padStart(2, '0')}`,
  );
}
