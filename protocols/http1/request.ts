/** HTTP/1.1 requests (RFC 9112 section 3, RFC 9110 section 5). */
import { ProtocolError, ProtocolErrorCode } from '../errors.ts';

export interface Request {
  readonly method: string;
  /** Origin form: an absolute path with an optional query, already percent-encoded. */
  readonly path: string;
  /** Value of Host: the authority, with the port unless it is the scheme's own. */
  readonly host: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Its Content-Length is written, too. Default none. */
  readonly body?: Uint8Array;
}

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const VISIBLE = /^[\x21-\x7e]+$/;
const FIELD_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;

/**
 * The request as bytes.
 * @throws ProtocolError HttpStartLine or HttpHeader when a part would break out of its line.
 */
export function encodeRequest(request: Request): Uint8Array {
  if (!TOKEN.test(request.method)) {
    throw new ProtocolError(
      ProtocolErrorCode.HttpStartLine,
      'a method token',
      JSON.stringify(request.method),
    );
  }
  if (!VISIBLE.test(request.path) || request.path[0] !== '/') {
    throw new ProtocolError(ProtocolErrorCode.HttpStartLine, 'an encoded path', JSON.stringify(request.path));
  }
  let text = `${request.method} ${request.path} HTTP/1.1\r\n${encodeField('Host', request.host)}`;
  for (const [name, value] of Object.entries(request.headers ?? {})) text += encodeField(name, value);
  const { body } = request;
  if (body !== undefined) text += encodeField('Content-Length', String(body.length));
  text += '\r\n';
  const bytes = new Uint8Array(text.length + (body?.length ?? 0));
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  if (body !== undefined) bytes.set(body, text.length);
  return bytes;
}

function encodeField(name: string, value: string): string {
  if (!TOKEN.test(name)) {
    throw new ProtocolError(ProtocolErrorCode.HttpHeader, 'a field name token', JSON.stringify(name));
  }
  if (!FIELD_VALUE.test(value)) {
    throw new ProtocolError(
      ProtocolErrorCode.HttpHeader,
      `a one-line value of ${name}`,
      JSON.stringify(value),
    );
  }
  return `${name}: ${value}\r\n`;
}
