/** The first and the last packets of a client over UDP, each way, with their times and what they mean. */
import type { PacketForm } from '../drivers/client.ts';
import { hexOf } from './hex.ts';
import { packetWords } from './packet-words.ts';

/** Kept of the beginning, and as many of the end, of each direction. */
const KEPT_PACKETS = 24;
/** Kept of each packet: all of one that goes through Ethernet. */
const KEPT_BYTES = 1500;
/** Shown of each in hex: the SRT handshake up to its extensions, so that no stream id is among it. */
const HEX_BYTES = 64;

const WAYS = ['sent', 'received'] as const;
type Way = (typeof WAYS)[number];

interface Kept {
  /** Among all packets of the tape, from 0 on. */
  readonly place: number;
  /** In ms, of a monotonic clock. */
  readonly at: number;
  readonly form: PacketForm;
  readonly length: number;
  readonly bytes: Uint8Array;
}

/** One direction. */
class Strip {
  total = 0;
  readonly head: Kept[] = [];
  /** A ring. */
  readonly #last: Kept[] = [];

  add(packet: Kept): void {
    if (this.head.length < KEPT_PACKETS) this.head.push(packet);
    else this.#last[this.total % KEPT_PACKETS] = packet;
    this.total++;
  }

  get tail(): Kept[] {
    return this.#last.toSorted((a, b) => a.place - b.place);
  }
}

export class PacketTape {
  readonly #now: () => number;
  readonly #strips: Readonly<Record<Way, Strip>> = { sent: new Strip(), received: new Strip() };

  /** @param now in ms, of a monotonic clock */
  constructor(now: () => number) {
    this.#now = now;
  }

  get total(): number {
    return this.#strips.sent.total + this.#strips.received.total;
  }

  add(way: Way, form: PacketForm, bytes: Uint8Array): void {
    const kept = Uint8Array.from(bytes.subarray(0, KEPT_BYTES));
    this.#strips[way].add({ place: this.total, at: this.#now(), form, length: bytes.length, bytes: kept });
  }

  describe(): string {
    const lines: { place: number; text: string }[] = [];
    for (const way of WAYS) {
      const { head, tail, total } = this.#strips[way];
      const leftOut = total - head.length - tail.length;
      if (leftOut > 0)
        lines.push({ place: tail[0]!.place - 0.5, text: `   … ${leftOut} that were ${way} are left out` });
      for (const packet of [...head, ...tail])
        lines.push({ place: packet.place, text: this.#line(way, packet) });
    }
    const { sent, received } = this.#strips;
    return [
      `-- packets: ${sent.total} sent, ${received.total} received; times since the first of them`,
      ...(this.#plain ? ['   RTP and RTCP as they are without SRTP: the library shows no datagrams'] : []),
      ...lines.toSorted((a, b) => a.place - b.place).map(({ text }) => text),
    ].join('\n');
  }

  get #plain(): boolean {
    return WAYS.some((way) => this.#strips[way].head[0]?.form === 'rtp');
  }

  #line(way: Way, { at, form, length, bytes }: Kept): string {
    const first = Math.min(...WAYS.map((one) => this.#strips[one].head[0]?.at ?? at));
    const time = `${(at - first).toFixed(1)} ms`.padStart(12);
    const hex = hexOf(bytes.subarray(0, HEX_BYTES), 0);
    return `${time}  ${way}, ${length} bytes: ${packetWords(form, bytes, length)}\n${hex}`;
  }
}
