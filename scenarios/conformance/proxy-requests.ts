/** What a proxy passes on of a request and of its answer, whatever it is: over HTTP, and of RTMP's commands. */
import { ORIGIN_ALIVE_MS } from '../bounds.ts';
import { type CheckContext, check, type Judgement } from '../check.ts';
import type { History } from '../history.ts';
import { inconclusive, judged, notSeen } from '../judging.ts';
import { attempt } from '../wire/attempt.ts';
import { type FakeAnswer, FakeOrigin, type SeenRequest } from '../wire/fake-origin.ts';
import { statusCode, WireRtmp } from '../wire/rtmp.ts';
import { PROXY_TOPOLOGIES, register, registrationOf, streamAt } from './proxy-origins.ts';

const TOKEN = 'token=Zm9v%2Bb%3Dr&x=%2F1&empty=';
/** Of an end to end kind (RFC 9110 section 7.6.1). */
const SENT_HEADERS = {
  authorization: 'Bearer of-the-check',
  cookie: 'session=17; other="a b"',
  range: 'bytes=0-99',
  'x-token': 'Check/1',
  'user-agent': 'liveproof-check',
} as const;

interface Case {
  readonly name: string;
  readonly extension: string;
  readonly answer: FakeAnswer;
}

/** Answers that a player acts upon. Locations stand as the origin wrote them: they are for the client to resolve. */
const CASES: readonly Case[] = [
  {
    name: 'redirect',
    extension: 'flv',
    answer: { status: 302, headers: { Location: '/live/elsewhere.flv?token=1' } },
  },
  {
    name: 'away',
    extension: 'flv',
    answer: { status: 307, headers: { Location: 'http://cdn.example/live/x.flv' } },
  },
  {
    name: 'forbidden',
    extension: 'aac',
    answer: { status: 403, headers: { 'Content-Type': 'text/x-reason; charset=utf-8' }, body: 'no\n' },
  },
  {
    name: 'partial',
    extension: 'ts',
    answer: {
      status: 206,
      headers: {
        'Content-Type': 'video/x-check',
        'Content-Range': 'bytes 0-3/9',
        'X-Origin': 'fake',
        'Access-Control-Allow-Origin': '*',
      },
      body: 'four',
    },
  },
];

/** Of an answer, those that must come through. */
const RETURNED = ['location', 'content-type', 'content-range', 'x-origin', 'access-control-allow-origin'];

const Step = {
  found: 'requests.found',
  sent: 'requests.sent',
  stream: 'requests.stream',
  status: 'requests.status',
} as const;

export const requests = check({
  id: 'proxy/requests',
  title: 'Query, headers, status, content type and Location pass through the proxy as they are',
  level: 'must',
  spec: {
    source: 'HTTP Semantics (RFC 9110)',
    where: '7.6, 15; seeds/001, Design',
    says: 'The proxy stands between players and origins: what is said end to end reaches the other end, whatever it is.',
  },
  topologies: PROXY_TOPOLOGIES,
  needs: ['proxy', 'play.flv', 'play.hls'],
  mutants: [
    'proxy-drops-query',
    'proxy-drops-headers',
    'proxy-loses-content-type',
    'proxy-loses-location',
    'proxy-status-200',
  ],

  async run(t) {
    const origin = await FakeOrigin.listen(t, { answer: answerOf });
    await register(t, 'registers', registrationOf(origin, 'answers'));
    const found = await streamAt(t, origin, 'cases');
    t.step(Step.found, { found: found !== undefined });
    if (found === undefined) return;
    for (const { name, extension } of CASES) {
      const before = origin.requests.length;
      const target = `/live/${found.stream}.${extension}?case=${name}&${TOKEN}`;
      const url = new URL(target, t.playUrl('flv', found.stream));
      await t.http(url.href, { label: name, headers: SENT_HEADERS });
      const seen = origin.requests.slice(before);
      t.step(Step.sent, { name, target, seen: seen.length, ...differences(target, seen[0]) });
    }
    await t.observe(
      ORIGIN_ALIVE_MS,
      'the origin of this check, which sends no heartbeat, leaves the rotation',
    );
  },

  judge: judgeRequests,
});

function answerOf({ target }: SeenRequest): FakeAnswer {
  const name = /[?&]case=([a-z]+)/.exec(target)?.[1];
  return CASES.find((one) => one.name === name)?.answer ?? { status: 404 };
}

/** What of a request did not come as it was sent. */
function differences(target: string, seen: SeenRequest | undefined) {
  const lost = Object.entries(SENT_HEADERS).filter(([name, value]) => seen?.headers[name] !== value);
  return {
    came: seen?.target ?? null,
    sameTarget: seen?.target === target,
    lostHeaders: lost.map(([name]) => name).join(' '),
  };
}

function judgeRequests(history: History): Judgement[] {
  const found = history.step(Step.found);
  if (found === undefined) return [notSeen(history, 'an origin registers')];
  if (found.found !== true) return [inconclusive('requests reach the origin of the check', 'none did')];
  return CASES.flatMap(({ name, answer }) => {
    const sent = history.of('step').find(({ step, data }) => step === Step.sent && data.name === name)?.data;
    const got = history.of('http.exchange').find(({ client }) => client === name);
    if (sent === undefined || got === undefined) return [notSeen(history, `${name} is asked for`)];
    if (sent.seen !== 1)
      return [judged(false, `${name}: one request at the origin of its stream`, `${sent.seen}`)];
    const fields = Object.entries(answer.headers ?? {}).filter(([field]) =>
      RETURNED.includes(field.toLowerCase()),
    );
    const lost = fields.filter(([field, value]) => got.headers[field.toLowerCase()] !== value);
    return [
      judged(sent.sameTarget === true, `${name}: the origin sees path and query as sent`, String(sent.came)),
      judged(
        sent.lostHeaders === '',
        `${name}: the origin sees the headers`,
        sent.lostHeaders === '' ? 'all of them' : `not ${sent.lostHeaders}`,
      ),
      judged(got.status === answer.status, `${name}: status ${answer.status}`, `${got.status || got.error}`),
      judged(
        lost.length === 0,
        `${name}: ${fields.map(([field]) => field).join(', ')} as the origin sent them`,
        lost.map(([field]) => `${field}: ${got.headers[field.toLowerCase()] ?? 'none'}`).join(', ') ||
          'they are',
      ),
      judged(
        got.bytes === Buffer.byteLength(answer.body ?? ''),
        `${name}: the whole body`,
        `${got.bytes} bytes`,
      ),
    ];
  });
}

/** How much later than asked an origin lets a publisher in: far above the time on the way. */
const LET_IN_AFTER_MS = 300;
const REFUSAL = 'NetStream.Publish.BadName';
const REFUSED_NAME = 'refused=1';

export const rtmpCommands = check({
  id: 'proxy/rtmp-commands',
  title:
    'An RTMP origin sees app, parameters and tcUrl as the encoder sent them, and its word is what the encoder hears',
  level: 'must',
  spec: {
    source: 'RTMP 1.0',
    where: '7.2.1.1, 7.2.2.6; seeds/001, Protocols; facts/srs.md 4.3',
    says: 'Parameters of the stream name carry the token that the origin asks for. Publish.Start comes when the origin has said it, and a refusal is passed on.',
  },
  topologies: PROXY_TOPOLOGIES,
  needs: ['proxy', 'publish.rtmp', 'play.hls'],
  mutants: ['proxy-drops-token', 'proxy-status-early'],

  async run(t) {
    const origin = await FakeOrigin.listen(t, {
      status: (_use, name) =>
        name.includes(REFUSED_NAME)
          ? { code: REFUSAL, afterMs: 0 }
          : { code: 'NetStream.Publish.Start', afterMs: LET_IN_AFTER_MS },
    });
    await register(t, 'registers', registrationOf(origin, 'commands'));
    const found = await streamAt(t, origin, 'commands');
    t.step(Step.found, { found: found !== undefined });
    if (found === undefined) return;
    for (const [use, parameters] of [
      ['let-in', TOKEN],
      ['refused', `${REFUSED_NAME}&${TOKEN}`],
    ] as const) {
      await publishes(t, origin, use, `${found.stream}?${parameters}`);
    }
    await t.observe(
      ORIGIN_ALIVE_MS,
      'the origin of this check, which sends no heartbeat, leaves the rotation',
    );
  },

  judge: judgeCommands,
});

async function publishes(t: CheckContext, origin: FakeOrigin, use: string, name: string): Promise<void> {
  const { host, port } = t.cluster.entry('publish', 'rtmp');
  const seenBefore = origin.streams.length;
  const heard = await attempt(t, `${use}: the word of the origin`, async () => {
    const client = await WireRtmp.open({ host, port });
    t.cleanUp(() => client.close());
    const id = await client.startStream('live');
    client.publish(id, name);
    const status = await client.until('a status', LET_IN_AFTER_MS + 3000, () =>
      client.commands().find((command) => statusCode(command)?.startsWith('NetStream.Publish.')),
    );
    return { code: statusCode(status) ?? '', at: status.at, tcUrl: `rtmp://${host}:${port}/live` };
  });
  const seen = origin.streams[seenBefore];
  t.step(Step.stream, {
    use,
    name,
    seen: seen?.name ?? null,
    app: seen?.app ?? null,
    tcUrl: heard?.tcUrl ?? null,
    seenTcUrl: seen?.tcUrl ?? null,
  });
  t.step(Step.status, {
    use,
    code: heard?.code ?? null,
    earlyMs: seen && heard ? Math.round(seen.answeredAt - heard.at) : null,
  });
}

function judgeCommands(history: History): Judgement[] {
  const found = history.step(Step.found);
  if (found === undefined) return [notSeen(history, 'an origin registers')];
  if (found.found !== true) return [inconclusive('a stream goes to the origin of the check', 'none did')];
  const of = (step: string, use: string) =>
    history.of('step').find((event) => event.step === step && event.data.use === use)?.data;
  return ['let-in', 'refused'].flatMap((use) => {
    const stream = of(Step.stream, use);
    const status = of(Step.status, use);
    if (stream === undefined || status === undefined) return [notSeen(history, `a publisher (${use})`)];
    const code = use === 'refused' ? REFUSAL : 'NetStream.Publish.Start';
    return [
      judged(stream.seen === stream.name, `${use}: the origin sees ${stream.name}`, String(stream.seen)),
      judged(stream.app === 'live', `${use}: in application live`, String(stream.app)),
      judged(
        stream.seenTcUrl === stream.tcUrl,
        `${use}: with the encoder's tcUrl ${stream.tcUrl}`,
        String(stream.seenTcUrl),
      ),
      judged(status.code === code, `${use}: the encoder hears ${code}`, String(status.code)),
      judged(
        status.earlyMs !== null && Number(status.earlyMs) <= 0,
        `${use}: not before the origin has said so`,
        status.earlyMs === null ? 'nothing was heard' : `${-Number(status.earlyMs)} ms after it`,
      ),
    ];
  });
}
