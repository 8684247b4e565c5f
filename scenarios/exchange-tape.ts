/** The first and the last requests of a client that makes many, with the beginnings of their answers. */
import type { ByteStrip } from '../drivers/client.ts';
import { maskSecrets } from '../reports/secrets.ts';
import { hexOf } from './hex.ts';

/** Kept of the beginning, and as many of the end. */
const KEPT_EXCHANGES = 6;
/** Kept of a request, and as much of its answer. */
const KEPT_BYTES = 4096;
/** Shown of a body that is no text. */
const HEX_BYTES = 64;

const TEXT =
  /^Content-Type:\s*(?:text\/|application\/(?:sdp|json|problem\+json|x-mpegurl|vnd\.apple\.mpegurl))/im;

/** What one side said. */
class Said {
  total = 0;
  /** Of the first byte. */
  at = Number.NaN;
  #kept = Buffer.alloc(0);

  add(bytes: Uint8Array, length: number, now: number): void {
    if (this.total === 0) this.at = now;
    this.total += length;
    const room = KEPT_BYTES - this.#kept.length;
    if (room > 0) this.#kept = Buffer.concat([this.#kept, bytes.subarray(0, Math.min(room, length))]);
  }

  lines(): string[] {
    const end = this.#kept.indexOf('\r\n\r\n');
    if (end < 0)
      return this.total === 0 ? [] : ['no whole HTTP head', hexOf(this.#kept.subarray(0, HEX_BYTES), 0)];
    const head = this.#kept.toString('latin1', 0, end);
    const body = this.#kept.subarray(end + 4);
    const lines = indented(maskSecrets(head));
    if (body.length === 0) return lines;
    const said = TEXT.test(head) || body.subarray(0, 7).equals(PLAYLIST) || body.subarray(0, 3).equals(SDP);
    if (!said) return [...lines, hexOf(body.subarray(0, HEX_BYTES), end + 4)];
    const cut = this.total > this.#kept.length ? [`   … of ${this.total} bytes`] : [];
    return [...lines, '', ...indented(maskSecrets(body.toString('utf8'))), ...cut];
  }
}

const PLAYLIST = Buffer.from('#EXTM3U');
const SDP = Buffer.from('v=0');

function indented(text: string): string[] {
  return text.split(/\r?\n/).map((line) => `   ${line.replace(/[^\t\x20-\x7e\u00a0-\uffff]/g, '.')}`);
}

class Exchange implements ByteStrip {
  readonly place: number;
  readonly request = new Said();
  readonly answer = new Said();
  readonly #now: () => number;

  constructor(place: number, now: () => number) {
    this.place = place;
    this.#now = now;
  }

  wrote(bytes: Uint8Array): void {
    this.request.add(bytes, bytes.length, this.#now());
  }

  read(bytes: Uint8Array, length: number): void {
    this.answer.add(bytes, length, this.#now());
  }
}

export class ExchangeTape {
  total = 0;
  readonly #now: () => number;
  readonly #head: Exchange[] = [];
  readonly #tail: Exchange[] = [];

  /** @param now in ms, of a monotonic clock */
  constructor(now: () => number) {
    this.#now = now;
  }

  begin(): ByteStrip {
    const exchange = new Exchange(this.total++, this.#now);
    if (this.#head.length < KEPT_EXCHANGES) this.#head.push(exchange);
    else if (this.#tail.push(exchange) > KEPT_EXCHANGES) this.#tail.shift();
    return exchange;
  }

  describe(): string {
    const first = this.#head[0]?.request.at ?? 0;
    const leftOut = this.total - this.#head.length - this.#tail.length;
    const lines = ({ place, request, answer }: Exchange): string[] => [
      `-- request ${place + 1}, ${(request.at - first).toFixed(1)} ms: ${request.total} bytes`,
      ...request.lines(),
      answer.total === 0
        ? '-- no answer'
        : `-- answer ${place + 1}, ${(answer.at - first).toFixed(1)} ms: ${answer.total} bytes`,
      ...answer.lines(),
    ];
    return [
      `-- requests: ${this.total}; times since the first of them`,
      ...this.#head.flatMap(lines),
      ...(leftOut > 0 ? [`   … ${leftOut} are left out`] : []),
      ...this.#tail.flatMap(lines),
    ].join('\n');
  }
}
