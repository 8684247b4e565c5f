/** Reads HTTP/1.1 request heads from a socket, bounded in bytes and time (RFC 9112 sections 2-5). */
import type { Socket } from 'node:net';
import { HTTP_HEAD_BYTES, HTTP_SEND_TIMEOUT_MS } from './constants.ts';

export interface RequestHead {
  readonly method: string;
  /** As sent, with its query. */
  readonly target: string;
  /** The connection may be used again after the answer (RFC 9112 section 9.3); never after a request with content. */
  readonly keepAlive: boolean;
  /** Values of a field, by its name in lower case. */
  field(name: string): string | undefined;
}

export type HeadFailure = 'malformed' | 'too-long' | 'timeout';

const REQUEST_LINE = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+) (\S+) HTTP\/1\.([01])$/;
const FIELD_LINE = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t\x20-\x7e\x80-\xff]*$/;
const END = '\r\n\r\n';
const NOTHING = Buffer.alloc(0);

/**
 * Calls `serve` for each head, and last for a failure. A client that does not read its answers is not read from either.
 * @param timeoutMs for each head, from when the answer before was taken.
 * @param serve answers at once; false when the socket is somebody else's from now on: what follows the head is not read.
 */
export function readRequests(
  socket: Socket,
  timeoutMs: number,
  serve: (result: RequestHead | HeadFailure) => boolean,
): void {
  let text = '';
  let stopped = false;
  /** The client has not taken all of its answers. */
  let isSending = false;
  const stop = (): void => {
    stopped = true;
    clearTimeout(timer);
    socket.off('data', onData);
    socket.off('close', stop);
    socket.off('timeout', onStuck);
  };
  const fail = (failure: HeadFailure): void => {
    stop();
    serve(failure);
  };
  const timer = setTimeout(() => {
    if (!isSending) fail('timeout');
  }, timeoutMs);
  /** Returns whether it may be called again. */
  const serveOne = (): boolean => {
    const end = text.indexOf(END);
    if (end > HTTP_HEAD_BYTES || (end < 0 && text.length > HTTP_HEAD_BYTES)) fail('too-long');
    else if (end >= 0) {
      const head = parseHead(text.slice(0, end));
      text = text.slice(end + END.length);
      if (!head) fail('malformed');
      else if (serve(head)) {
        timer.refresh();
        return text !== '';
      } else stop();
    } else if (!couldBeRequest(text)) fail('malformed');
    return false;
  };
  const look = (): void => {
    while (!socket.writableNeedDrain && serveOne());
    if (stopped || isSending || socket.writableLength === 0) return;
    isSending = true;
    socket.pause();
    socket.setTimeout(HTTP_SEND_TIMEOUT_MS);
    socket.write(NOTHING, onTaken);
  };
  const onTaken = (error?: Error | null): void => {
    isSending = false;
    if (stopped || error) return;
    socket.setTimeout(0);
    timer.refresh();
    socket.resume();
    look();
  };
  /** Of an answer nothing was taken for too long. */
  const onStuck = (): void => {
    socket.destroy();
  };
  const onData = (bytes: Buffer): void => {
    text += bytes.toString('latin1');
    look();
  };
  socket.on('data', onData);
  socket.on('close', stop);
  socket.on('timeout', onStuck);
}

/** Bytes that are no text, and a first line that is no request line, need not be waited on. */
function couldBeRequest(text: string): boolean {
  const end = text.indexOf('\r\n');
  return end < 0 ? /^[\x20-\x7e]*\r?$/.test(text) : REQUEST_LINE.test(text.slice(0, end));
}

function parseHead(head: string): RequestHead | undefined {
  const [requestLine = '', ...lines] = head.split('\r\n');
  const match = REQUEST_LINE.exec(requestLine);
  if (!match || !lines.every((line) => FIELD_LINE.test(line))) return undefined;
  const fields = lines.map((line): [string, string] => {
    const colon = line.indexOf(':');
    return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
  });
  if (!framingIsSound(fields)) return undefined;
  const field = (name: string): string | undefined => fields.find(([other]) => other === name)?.[1];
  return { method: match[1]!, target: match[2]!, keepAlive: isKept(match[3]!, field), field };
}

function isKept(minor: string, field: (name: string) => string | undefined): boolean {
  const hasContent = (field('content-length') ?? '0') !== '0' || field('transfer-encoding') !== undefined;
  const options = (field('connection') ?? '').toLowerCase().split(/[\t ,]+/);
  return !hasContent && (minor === '1' ? !options.includes('close') : options.includes('keep-alive'));
}

/** One Content-Length of digits at most, and not beside a Transfer-Encoding (RFC 9112 section 6.3); one Host at most. */
function framingIsSound(fields: readonly [string, string][]): boolean {
  const of = (name: string): string[] => fields.filter(([other]) => other === name).map(([, value]) => value);
  const lengths = of('content-length');
  return (
    lengths.length <= 1 &&
    lengths.every((length) => /^\d+$/.test(length)) &&
    (lengths.length === 0 || of('transfer-encoding').length === 0) &&
    of('host').length <= 1
  );
}
