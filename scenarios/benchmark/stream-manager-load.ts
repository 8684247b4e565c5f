/** Questions to a stream manager as SRS origins ask them: each on a TCP connection of its own (facts/srs.md 10.5). */
import net, { type Socket } from 'node:net';
import { LatencyHistogram } from '../../drivers/measure/histogram.ts';
import type { Place, Question } from './stream-manager-streams.ts';

export interface LoadFigures {
  readonly asked: number;
  /** Answers other than the question's own. */
  readonly wrong: number;
  /** Connections that failed, or gave no whole answer in time. */
  readonly failed: number;
  /** From the time at which a question was due to the last byte of its answer. */
  readonly latency: LatencyHistogram;
}

export interface Load {
  readonly perSecond: number;
  readonly ms: number;
  readonly question: (index: number) => Question;
}

const TIMEOUT_MS = 5000;
/** Who asks: as many origins, so that the ports of one address are not used up. */
const ASKERS = 60;

/** Asks `perSecond` questions every second, evenly, whether or not those before are answered, and awaits them all. */
export function load(
  at: { readonly host: string; readonly port: number },
  { perSecond, ms, question }: Load,
): Promise<LoadFigures> {
  return new Promise((resolve) => {
    const figures = { asked: 0, wrong: 0, failed: 0, latency: new LatencyHistogram() };
    const count = Math.round((perSecond * ms) / 1000);
    let pending = 0;
    const onEnd = (): void => {
      if (--pending === 0 && figures.asked === count) resolve(figures);
    };
    const started = performance.now();
    const timer = setInterval(() => {
      const due = Math.min(count, Math.floor(((performance.now() - started) * perSecond) / 1000));
      for (; figures.asked < due; figures.asked++) {
        const index = figures.asked;
        pending++;
        const localAddress = `127.0.2.${1 + (index % ASKERS)}`;
        const dueAt = started + (index * 1000) / perSecond;
        new Asked(at, question(index), { localAddress, dueAt, figures, onEnd });
      }
      if (figures.asked === count) clearInterval(timer);
    }, 1);
  });
}

/** One question. Answers are read into the same buffer: each is whole before the next is read. */
class Asked {
  static readonly #buffer = Buffer.alloc(64 * 1024);
  readonly #socket: Socket;
  readonly #place: Place | undefined;
  readonly #dueAt: number;
  readonly #figures: { wrong: number; failed: number; latency: LatencyHistogram };
  #answer = '';
  #told = false;

  constructor(
    at: { readonly host: string; readonly port: number },
    { stream, place }: Question,
    {
      localAddress,
      dueAt,
      figures,
      onEnd,
    }: {
      localAddress: string;
      dueAt: number;
      figures: { wrong: number; failed: number; latency: LatencyHistogram };
      onEnd: () => void;
    },
  ) {
    this.#place = place;
    this.#dueAt = dueAt;
    this.#figures = figures;
    const coworker = `${at.host}:${at.port}`;
    const onread = {
      buffer: Asked.#buffer,
      callback: (length: number) => {
        this.#onRead(length);
        return true;
      },
    };
    // With what Node sets in its copy of them: see lab/builtin/stream-manager/accept.ts.
    const options = {
      host: at.host,
      port: at.port,
      localAddress,
      onread,
      allowHalfOpen: false,
      emitClose: false,
      autoDestroy: true,
      decodeStrings: false,
    };
    this.#socket = net.connect(options);
    this.#socket.write(
      `POST /api/v1/clusters?vhost=__defaultVhost__&ip=127.0.0.1&app=live&stream=${stream}&coworker=${coworker} HTTP/1.1\r\n` +
        `Host: ${coworker}\r\nConnection: Keep-Alive\r\nContent-Type: application/json\r\nContent-Length: 0\r\n\r\n`,
      'latin1',
    );
    this.#socket.setTimeout(TIMEOUT_MS, () => this.#socket.destroy());
    this.#socket.on('error', () => {});
    this.#socket.on('close', () => {
      if (!this.#told) figures.failed++;
      onEnd();
    });
  }

  #onRead(length: number): void {
    this.#answer += Asked.#buffer.toString('latin1', 0, length);
    const body = bodyOf(this.#answer);
    if (body === undefined || this.#told) return;
    this.#told = true;
    this.#figures.latency.record(performance.now() - this.#dueAt);
    if (!isRight(body, this.#place)) this.#figures.wrong++;
    this.#socket.destroy();
  }
}

/** When it is whole. */
function bodyOf(answer: string): string | undefined {
  const head = answer.indexOf('\r\n\r\n');
  if (head < 0) return undefined;
  const length = Number(/\r\ncontent-length: *(\d+)/i.exec(answer.slice(0, head))?.[1] ?? Number.NaN);
  return answer.length >= head + 4 + length ? answer.slice(head + 4) : undefined;
}

function isRight(body: string, place: Place | undefined): boolean {
  const { code, data } = JSON.parse(body);
  if (code !== 0) return false;
  return place === undefined
    ? data.origin === null
    : data.origin?.ip === place.ip && data.origin?.port === place.port;
}
