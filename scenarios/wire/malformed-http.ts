/** Requests that no client should send to an HTTP-FLV server. Status codes: RFC 9110; message syntax: RFC 9112. */

export interface HttpAttack {
  /** Stable slug. */
  readonly name: string;
  /** Section of RFC 9112 (or 9110) that the bytes go against; none where they just end. */
  readonly against: string;
  /** `server`: it must refuse with a status of 400 or above, or close; `fin`, `rst`: the client breaks off. */
  readonly ending: 'server' | 'fin' | 'rst';
  /** @param path of a stream that is being published. */
  bytes(path: string): string;
}

/** Above the limit of every server of the field (SRS and Node 80 KiB and 16 KiB, nginx 32 KiB). */
const ENDLESS_BYTES = 512 * 1024;
const HEADERS = 'Host: liveproof\r\n';

export const HTTP_ATTACKS: readonly HttpAttack[] = [
  {
    name: 'noise',
    against: '3: a request line comes first',
    ending: 'server',
    bytes: () => `\x00\x01\x02\xff\xfe noise\r\n\r\n`,
  },
  {
    name: 'rtmp-handshake',
    against: '3: a request line comes first',
    ending: 'server',
    bytes: () => `\x03${'\x00'.repeat(1536)}\r\n\r\n`,
  },
  {
    name: 'method-unknown',
    against: 'RFC 9110 9.1: 501 to a method that is not known',
    ending: 'server',
    bytes: (path) => `BREW ${path} HTTP/1.1\r\n${HEADERS}\r\n`,
  },
  {
    name: 'version-garbage',
    against: '2.3: HTTP/ and two digits',
    ending: 'server',
    bytes: (path) => `GET ${path} HTTQ/x.y\r\n${HEADERS}\r\n`,
  },
  {
    name: 'field-without-colon',
    against: '5: a name, a colon, a value',
    ending: 'server',
    bytes: (path) => `GET ${path} HTTP/1.1\r\nHost liveproof\r\n\r\n`,
  },
  {
    name: 'field-name-with-space',
    against: '5.1: no whitespace between name and colon; 400',
    ending: 'server',
    bytes: (path) => `GET ${path} HTTP/1.1\r\n${HEADERS}Content-Length : 5\r\n\r\nhello`,
  },
  {
    name: 'content-length-negative',
    against: '6.3: an invalid Content-Length is unrecoverable; 400',
    ending: 'server',
    bytes: (path) => `GET ${path} HTTP/1.1\r\n${HEADERS}Content-Length: -1\r\n\r\n`,
  },
  {
    name: 'content-length-twice',
    against: '6.3: differing values are unrecoverable; 400',
    ending: 'server',
    bytes: (path) => `GET ${path} HTTP/1.1\r\n${HEADERS}Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!`,
  },
  {
    name: 'content-length-and-chunked',
    against: '6.1: the two together smell of request smuggling; 400',
    ending: 'server',
    bytes: (path) =>
      `POST ${path} HTTP/1.1\r\n${HEADERS}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n` +
      `0\r\n\r\nGET ${path} HTTP/1.1\r\n${HEADERS}\r\n`,
  },
  {
    name: 'path-traversal',
    against: 'RFC 9110 17.3: a path must not lead out of what is served',
    ending: 'server',
    bytes: () => `GET /../../../../../../etc/passwd HTTP/1.1\r\n${HEADERS}\r\n`,
  },
  {
    name: 'path-traversal-encoded',
    against: 'RFC 9110 17.3: a path must not lead out of what is served',
    ending: 'server',
    bytes: () => `GET /live/%2e%2e/%2e%2e/%2e%2e/%2e%2e/etc/passwd HTTP/1.1\r\n${HEADERS}\r\n`,
  },
  {
    name: 'header-endless-line',
    against: '5.4: a field that is too large is refused with a 4xx',
    ending: 'server',
    bytes: (path) => `GET ${path} HTTP/1.1\r\n${HEADERS}X-Endless: ${'x'.repeat(ENDLESS_BYTES)}`,
  },
  {
    name: 'header-endless-fields',
    against: '5.4: fields that are too large together are refused with a 4xx',
    ending: 'server',
    bytes: (path) => `GET ${path} HTTP/1.1\r\n${'X-More: y\r\n'.repeat(ENDLESS_BYTES / 11)}`,
  },
  {
    name: 'request-line-endless',
    against: '3: a request target that is too long is refused with 414',
    ending: 'server',
    bytes: () => `GET /${'a'.repeat(ENDLESS_BYTES)}`,
  },
  { name: 'request-half-fin', against: '', ending: 'fin', bytes: (path) => `GET ${path} HT` },
  { name: 'request-half-rst', against: '', ending: 'rst', bytes: (path) => `GET ${path} HT` },
  {
    name: 'request-whole-rst',
    against: '',
    ending: 'rst',
    bytes: (path) => `GET ${path} HTTP/1.1\r\n${HEADERS}\r\n`,
  },
];
