/** Reads one HTTP/1.1 request head from a socket, bounded in bytes and time (RFC 9112 sections 2-5). */
import type { Socket } from 'node:net';
import { HTTP_HEAD_BYTES } from './constants.ts';

export interface RequestHead {
  readonly method: string;
  /** As sent, with its query. */
  readonly target: string;
}

export type HeadFailure = 'malformed' | 'too-long' | 'timeout';

const REQUEST_LINE = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+) (\S+) HTTP\/1\.[01]$/;
const FIELD_LINE = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t\x20-\x7e\x80-\xff]*$/;

/** Calls back once, unless the socket closes first. What follows the head is not read. */
export function readRequestHead(
  socket: Socket,
  timeoutMs: number,
  done: (result: RequestHead | HeadFailure) => void,
): void {
  let text = '';
  const finish = (result: RequestHead | HeadFailure): void => {
    clearTimeout(timer);
    socket.off('data', onData);
    socket.off('close', onClose);
    done(result);
  };
  const timer = setTimeout(() => finish('timeout'), timeoutMs);
  const onClose = (): void => clearTimeout(timer);
  const onData = (bytes: Buffer): void => {
    const searchFrom = Math.max(0, text.length - 3);
    text += bytes.toString('latin1');
    const end = text.indexOf('\r\n\r\n', searchFrom);
    if (end >= 0 && end <= HTTP_HEAD_BYTES) finish(parseHead(text.slice(0, end)) ?? 'malformed');
    else if (end >= 0 || text.length > HTTP_HEAD_BYTES) finish('too-long');
    else if (!couldBeRequest(text)) finish('malformed');
  };
  socket.on('data', onData);
  socket.on('close', onClose);
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
  return framingIsSound(fields) ? { method: match[1]!, target: match[2]! } : undefined;
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
