/** What checks ask and tell a stream manager, and what it answers. */
import { CloseReason } from '../../drivers/client.ts';
import type { ClusterNode } from '../../lab/cluster.ts';
import { LabError, LabErrorCode } from '../../lab/errors.ts';
import { type CheckContext, type Judgement, NotObservedError } from '../check.ts';
import type { EventOf, History } from '../history.ts';
import { inconclusive, isFrame, judged, notSeen } from '../judging.ts';
import { GOP_FRAMES } from '../stage.ts';
import { lossOf } from './masters-and-slaves.ts';

export const MANAGER = ['stream-manager'] as const;

export const SPEC = {
  seed: 'Coworker cluster (seeds/002)',
  manager: 'Stream manager (流管理服务)',
  wire: 'SRS origin cluster, /api/v1/clusters (facts/srs.md 2)',
} as const;

const APP = 'live';
const VHOST = '__defaultVhost__';
/** A question that is asked again until its answer is as expected. */
const ASK_EVERY_MS = 50;

const Step = { answer: 'manager.answer', report: 'manager.report' } as const;

/** An answer of the manager. `place` is `ip:port`, `nowhere`, or why it is none that an origin could use. */
export interface Answer {
  readonly t: number;
  /** What was asked about, in a word of the check. */
  readonly about: string;
  readonly place: string;
}

/** The address is one of another host, or of a container. */
const NOT_OURS = 'http.EADDRNOTAVAIL';

/** The place of a stream that nobody has. */
export const NOWHERE = 'nowhere';

/**
 * Asks as an SRS origin does (facts/srs.md 2), and records the answer.
 * @param from the address of an origin, so that it is this one who asks. Default somebody else
 */
export async function ask(
  t: CheckContext,
  about: string,
  stream: string,
  from?: ClusterNode,
): Promise<string> {
  const at = addressOf(t.nodes('stream-manager')[0]!);
  const query = `vhost=${VHOST}&ip=${from?.host ?? '127.0.0.1'}&app=${APP}&stream=${stream}&coworker=${at}`;
  const { status, error, body } = await t.http(`http://${at}/api/v1/clusters?${query}`, {
    label: `asks-${about}`,
    method: 'POST',
    ...(from === undefined ? {} : { localAddress: from.host }),
  });
  if (from !== undefined && error === NOT_OURS) {
    throw new LabError(
      LabErrorCode.Absent,
      `nobody here speaks from ${from.host}, the address of ${from.spec.name}`,
    );
  }
  const place =
    error ?? (status === 200 ? placeOf(Buffer.from(body).toString(), stream) : `HTTP status ${status}`);
  t.step(Step.answer, { about, place });
  return place;
}

/** Asks until the answer is `place`; not observed after `withinMs`. */
export async function askUntil(
  t: CheckContext,
  about: string,
  stream: string,
  withinMs: number,
  place: string,
): Promise<void> {
  let over = false;
  const asking = async () => {
    while (!over && (await ask(t, about, stream)) !== place) {
      await new Promise((resolve) => setTimeout(resolve, ASK_EVERY_MS));
      t.signal.throwIfAborted();
    }
  };
  try {
    await t.within(`${about}: the manager answers ${place}`, withinMs, asking());
  } finally {
    over = true;
  }
}

/** The same, and goes on when it is not observed: the judge sees it in the answers. */
export async function lookFor(...of: Parameters<typeof askUntil>): Promise<void> {
  try {
    await askUntil(...of);
  } catch (error) {
    if (!(error instanceof NotObservedError)) throw error;
  }
}

/** Posts to the manager and records what it says. */
export async function post(
  t: CheckContext,
  about: string,
  path: string,
  body: string,
  options: { method?: string; headers?: Readonly<Record<string, string>> } = {},
): Promise<number> {
  const at = addressOf(t.nodes('stream-manager')[0]!);
  const { status, error } = await t.http(`http://${at}${path}`, {
    label: `reports-${about}`,
    method: options.method ?? 'POST',
    headers: { 'content-type': 'application/json', ...options.headers },
    body,
  });
  t.step(Step.report, { about, status, error });
  return status;
}

/** A report of one stream in our own form, as of an origin. */
export function reportOf(origin: ClusterNode, stream: string): string {
  return JSON.stringify({
    origin: { rtmp: rtmpOf(origin), api: addressOf(origin) },
    streams: [{ app: APP, stream }],
  });
}

/** `host:port`, where players are sent. */
export function rtmpOf({ host, ports }: ClusterNode): string {
  return `${host}:${ports.rtmp}`;
}

/** `host:port` of the HTTP API. */
function addressOf({ host, ports }: ClusterNode): string {
  return `${host}:${ports.api}`;
}

/** `ip:port` when the answer has the form and the types that an SRS origin reads. */
export function placeOf(body: string, stream: string): string {
  let answer: unknown;
  try {
    answer = JSON.parse(body);
  } catch {
    return 'no JSON';
  }
  const { code, data } = record(answer);
  if (code !== 0) return `code ${JSON.stringify(code)}`;
  const { query, origin } = record(data);
  const echoed = record(query);
  if (
    echoed.vhost !== VHOST ||
    echoed.app !== APP ||
    echoed.stream !== stream ||
    typeof echoed.ip !== 'string'
  ) {
    return `a query that was not asked: ${JSON.stringify(query)}`;
  }
  if (origin === null) return NOWHERE;
  const { ip, port, vhost, api, routers } = record(origin);
  if (typeof ip !== 'string' || typeof port !== 'number') return `ip ${typeof ip}, port ${typeof port}`;
  if (vhost !== VHOST || typeof api !== 'string' || !Array.isArray(routers)) {
    return `vhost ${JSON.stringify(vhost)}, api ${typeof api}, routers ${typeof routers}`;
  }
  return `${ip}:${port}`;
}

function record(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

/** All answers about something, in order. */
export function answersOf(history: History, about: string): Answer[] {
  return history
    .of('step')
    .filter(({ step, data }) => step === Step.answer && data.about === about)
    .map(({ t, data }) => ({ t, about, place: String(data.place) }));
}

/** What the manager said to reports, by what they were about. */
export function reportsOf(history: History): { about: string; status: number; error: string | null }[] {
  return history
    .of('step')
    .filter(({ step }) => step === Step.report)
    .map(({ data }) => ({
      about: String(data.about),
      status: Number(data.status),
      error: data.error === null ? null : String(data.error),
    }));
}

/** The last answer about something. */
export function judgeLast(history: History, about: string, place: string, expected: string): Judgement {
  const answers = answersOf(history, about);
  const last = answers.at(-1);
  if (last === undefined) return notSeen(history, expected);
  return judged(last.place === place, expected, `${last.place}, after ${answers.length} questions`);
}

/** All answers about something from a time on. */
export function judgeNowhere(history: History, about: string, after: number, expected: string): Judgement {
  const answers = answersOf(history, about).filter(({ t }) => t >= after);
  if (answers.length === 0) return notSeen(history, expected);
  const wrong = answers.find(({ place }) => place !== NOWHERE);
  return judged(
    wrong === undefined,
    expected,
    wrong === undefined
      ? `${answers.length} answers, all of them ${NOWHERE}`
      : `${wrong.place} after ${Math.round(wrong.t - after)} ms`,
  );
}

export function redirectsOf(history: History, client: string): EventOf<'client.redirect'>[] {
  return history.of('client.redirect').filter((event) => event.client === client);
}

/**
 * A player of what is nowhere: sent nowhere, and told by the end of its connection.
 * @param begun the step at which it began
 */
export function judgeTurnedAway(
  history: History,
  client: string,
  begun: string,
  withinMs: number,
): Judgement[] {
  const since = history.of('step').findLast(({ step }) => step === begun)?.t;
  const expected = `${client}: the connection ends within ${withinMs} ms`;
  if (since === undefined) return [notSeen(history, expected)];
  const closed = lossOf(history, client);
  const end = history.events.at(-1)?.t ?? since;
  const media = history.got(client).filter(isFrame).length;
  return [
    closed === undefined
      ? judged(false, expected, `it was open at the end of the check, ${Math.round(end - since)} ms later`)
      : judged(
          closed.t - since <= withinMs && closed.reason !== CloseReason.refused,
          expected,
          `${closed.reason} after ${Math.round(closed.t - since)} ms`,
        ),
    judged(media === 0, `${client}: no media`, `${media} frames`),
  ];
}

/** Whether a player got a GOP at the least, and nothing but what its publisher sent. */
export function judgePlayed(history: History, client: string, publisher: string): Judgement {
  const expected = `${client} gets what ${publisher} sends`;
  const sums = new Set(history.sent(publisher).map((item) => item.sum));
  const got = history.got(client).filter(({ kind }) => kind === 'video');
  if (sums.size === 0) return inconclusive(expected, `${publisher} has sent nothing`);
  const foreign = got.filter(({ sum }) => !sums.has(sum)).length;
  return judged(
    got.length >= GOP_FRAMES && foreign === 0,
    expected,
    `${got.length} video frames, ${foreign} of them of others`,
  );
}
