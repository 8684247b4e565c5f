/** Questions to a stream manager as SRS origins ask them: each on a TCP connection of its own (facts/srs.md 10.5). */
import net from 'node:net';
import { build, type Histogram } from 'hdr-histogram-js';

/** Names of what is asked for, and where it is; undefined for what is nowhere. */
export interface Question {
  readonly stream: string;
  readonly place: { readonly ip: string; readonly port: number } | undefined;
}

export interface LoadFigures {
  readonly asked: number;
  readonly answered: number;
  /** Answers other than the question's own. */
  readonly wrong: number;
  /** Connections that failed, or gave no whole answer in time. */
  readonly failed: number;
  /** From the time at which a question was due to the last byte of its answer, in microseconds. */
  readonly latency: Histogram;
}

const TIMEOUT_MS = 5000;
/** Who asks: as many origins, so that the ports of one address are not used up. */
const ASKERS = 60;

/** Asks `perSecond` questions every second, evenly, whether or not those before are answered, and awaits them all. */
export async function load(
  at: { readonly host: string; readonly port: number },
  { perSecond, ms, question }: { perSecond: number; ms: number; question: (index: number) => Question },
): Promise<LoadFigures> {
  const latency = build({
    lowestDiscernibleValue: 1,
    highestTrackableValue: 60_000_000,
    numberOfSignificantValueDigits: 3,
  });
  const figures = { asked: 0, answered: 0, wrong: 0, failed: 0, latency };
  const count = Math.round((perSecond * ms) / 1000);
  const started = performance.now();
  const pending: Promise<void>[] = [];
  while (figures.asked < count) {
    const due = Math.min(count, Math.floor(((performance.now() - started) * perSecond) / 1000));
    for (; figures.asked < due; figures.asked++) {
      const index = figures.asked;
      const dueAt = started + (index * 1000) / perSecond;
      pending.push(ask(at, question(index), `127.0.2.${1 + (index % ASKERS)}`, dueAt, figures));
    }
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  await Promise.all(pending);
  return figures;
}

function ask(
  at: { readonly host: string; readonly port: number },
  { stream, place }: Question,
  localAddress: string,
  dueAt: number,
  figures: { answered: number; wrong: number; failed: number; latency: Histogram },
): Promise<void> {
  return new Promise((resolve) => {
    let answer = '';
    let told = false;
    const socket = net.connect({ ...at, localAddress, noDelay: true });
    const coworker = `${at.host}:${at.port}`;
    socket.write(
      `POST /api/v1/clusters?vhost=__defaultVhost__&ip=127.0.0.1&app=live&stream=${stream}&coworker=${coworker} HTTP/1.1\r\n` +
        `Host: ${coworker}\r\nConnection: Keep-Alive\r\nContent-Type: application/json\r\nContent-Length: 0\r\n\r\n`,
    );
    socket.setTimeout(TIMEOUT_MS, () => socket.destroy());
    socket.setEncoding('latin1');
    socket.on('data', (text: string) => {
      answer += text;
      const body = bodyOf(answer);
      if (body === undefined || told) return;
      told = true;
      figures.latency.recordValue(Math.round((performance.now() - dueAt) * 1000));
      figures.answered++;
      if (!isRight(body, place)) figures.wrong++;
      socket.destroy();
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      if (!told) figures.failed++;
      resolve();
    });
  });
}

/** When it is whole. */
function bodyOf(answer: string): string | undefined {
  const head = answer.indexOf('\r\n\r\n');
  if (head < 0) return undefined;
  const length = Number(/\r\ncontent-length: *(\d+)/i.exec(answer.slice(0, head))?.[1] ?? Number.NaN);
  return answer.length >= head + 4 + length ? answer.slice(head + 4) : undefined;
}

function isRight(body: string, place: Question['place']): boolean {
  const { code, data } = JSON.parse(body);
  if (code !== 0) return false;
  return place === undefined
    ? data.origin === null
    : data.origin?.ip === place.ip && data.origin?.port === place.port;
}
