/** Registration with a proxy: every field, every form of an endpoint, every refusal (seeds/001, Register). */
import { ORIGIN_ALIVE_MS } from '../bounds.ts';
import { type CheckContext, check, type Judgement } from '../check.ts';
import type { History, StepData } from '../history.ts';
import { failed, inconclusive, judged, notSeen } from '../judging.ts';
import { FakeOrigin } from '../wire/fake-origin.ts';
import {
  PROXY_SPEC,
  PROXY_TOPOLOGIES,
  type Registration,
  register,
  registrationOf,
  streamAt,
} from './proxy-origins.ts';

/** Forms of an endpoint that the document names; of `httpPort` at `host`. */
const FORMS: readonly {
  readonly name: string;
  readonly endpoint: (host: string, port: number) => string | number;
  /** Where the origin is, when that is not the `ip` of its registration. */
  readonly host?: string;
}[] = [
  { name: 'port', endpoint: (_host, port) => String(port) },
  { name: 'protocol-any', endpoint: (_host, port) => `tcp://:${port}` },
  { name: 'protocol-zero', endpoint: (_host, port) => `tcp://0.0.0.0:${port}` },
  { name: 'protocol-ip', endpoint: (host, port) => `tcp://${host}:${port}`, host: '127.0.0.2' },
];

/** Of `ip`, whatever the endpoints say. */
const REGISTERED_IP = '127.0.0.1';
const MANDATORY = ['ip', 'server', 'service', 'pid', 'rtmp'] as const;
const OPTIONAL = ['http', 'api', 'device_id'] as const;
/** Above any registration: an SRS with its summaries sends some 2 KB. */
const TOO_LONG = 4 * 1024 * 1024;
const TOO_LONG_CASE = 'too-long';

type Refusal = readonly [name: string, of: (whole: Registration) => Registration | string, method?: string];

const REFUSED: readonly Refusal[] = [
  ...MANDATORY.map((field): Refusal => [`no-${field}`, (whole) => without(whole, field)]),
  ['ip-is-no-address', (whole) => ({ ...whole, ip: 'not an address' })],
  ['rtmp-empty', (whole) => ({ ...whole, rtmp: [] })],
  ['rtmp-is-text', (whole) => ({ ...whole, rtmp: '1935' })],
  ['endpoint-no-port', (whole) => ({ ...whole, rtmp: ['rtmp'] })],
  ['endpoint-port-0', (whole) => ({ ...whole, rtmp: ['0'] })],
  ['endpoint-port-65536', (whole) => ({ ...whole, rtmp: ['65536'] })],
  ['endpoint-half', (whole) => ({ ...whole, http: ['tcp://'] })],
  ['not-json', () => '{"ip": '],
  ['a-list', () => '[]'],
  ['nothing', () => ''],
  [TOO_LONG_CASE, (whole) => ({ ...whole, device_id: 'x'.repeat(TOO_LONG) })],
  ['get', (whole) => whole, 'GET'],
];

function without(whole: Registration, field: string): Registration {
  const { [field]: _gone, ...rest } = whole;
  return rest;
}

const Step = { answer: 'register.answer', reach: 'register.reach', refused: 'register.refused' } as const;
/** Streams that are asked for when every wrong registration has been refused: one of four would reach one in 10^10. */
const ASKED_AFTER_REFUSALS = 80;

export const registration = check({
  id: 'proxy/register',
  title: 'An origin registers with every documented form of every field; what is wrong is refused with 4xx',
  level: 'must',
  spec: {
    source: PROXY_SPEC.source,
    where: PROXY_SPEC.register,
    says: 'ip, server, service, pid and rtmp are mandatory; http, api, srt, rtc and device_id are not. An endpoint is `port`, `protocol://ip:port` or `protocol://:port`, at any address that of `ip`. The answer is {"code":0,"pid":"…"}; RFC 9110 15.5: 4xx says that the client was wrong.',
  },
  topologies: PROXY_TOPOLOGIES,
  needs: ['proxy', 'play.hls'],
  mutants: [
    'proxy-register-misses-nothing',
    'proxy-register-no-protocol-form',
    'proxy-register-ignores-endpoint-ip',
  ],
  deadlineMs: 40_000,

  async run(t) {
    const unwanted = await FakeOrigin.listen(t);
    for (const [name, of, method] of REFUSED) {
      await answer(t, name, 'refused', of(registrationOf(unwanted, 'unwanted')), method);
    }
    // None of them is in the rotation.
    for (let asked = 0; asked < ASKED_AFTER_REFUSALS; asked++) {
      await t.http(t.playUrl('hls', t.stream('unwanted')), { label: 'seeks-unwanted' });
    }
    t.step(Step.refused, { asked: ASKED_AFTER_REFUSALS, came: unwanted.requests.length });

    const least = await FakeOrigin.listen(t);
    const whole = registrationOf(least, 'least');
    await answer(t, 'mandatory-only', 'accepted', OPTIONAL.reduce<Registration>(without, whole));
    for (const { name, endpoint, host = REGISTERED_IP } of FORMS) {
      const origin = await FakeOrigin.listen(t, { host });
      const told = {
        ...registrationOf(origin, name),
        ip: REGISTERED_IP,
        rtmp: [endpoint(host, origin.rtmpPort)],
        http: [endpoint(host, origin.httpPort)],
      };
      await answer(t, name, 'accepted', told);
      const reached = await streamAt(t, origin, name);
      t.step(Step.reach, { form: name, reached: reached !== undefined, asked: reached?.asked ?? null });
    }
    await t.observe(ORIGIN_ALIVE_MS, 'origins of this check, who send no heartbeat, leave the rotation');
  },

  judge: judgeRegistration,
});

async function answer(
  t: CheckContext,
  name: string,
  want: 'accepted' | 'refused',
  body: Registration | string,
  method?: string,
): Promise<void> {
  const { status, accepted, error } = await register(t, `registers-${name}`, body, method);
  t.step(Step.answer, { name, want, status, accepted, error });
}

function judgeRegistration(history: History): Judgement[] {
  const answers = history.of('step').filter(({ step }) => step === Step.answer);
  const wanted = (want: string) => answers.filter(({ data }) => data.want === want).map(({ data }) => data);
  const refused = wanted('refused');
  const notRefused = refused.filter((data) => !isRefusal(data));
  const notAccepted = wanted('accepted').filter(({ accepted }) => accepted !== true);
  const said = (cases: typeof refused): string =>
    cases.map(({ name, status, error }) => `${name}: ${Number(status) || error}`).join(', ');
  const refusing = `${REFUSED.length} wrong registrations are refused with 4xx`;
  const accepting = `${FORMS.length + 1} right registrations are answered with 200 and {"code":0,"pid":"…"}`;
  return [
    refused.length < REFUSED.length
      ? notSeen(history, refusing)
      : judged(notRefused.length === 0, refusing, said(notRefused) || 'all were'),
    judgeLeftOut(history),
    wanted('accepted').length < FORMS.length + 1
      ? notSeen(history, accepting)
      : judged(notAccepted.length === 0, accepting, said(notAccepted) || 'all were'),
    ...FORMS.map(({ name }) => judgeReached(history, name)),
  ];
}

/** A server may end the connection on which it does not want to read the rest (RFC 9110 15.5.14). */
function isRefusal({ name, status, error }: StepData): boolean {
  if (name === TOO_LONG_CASE && status === 0) return error !== 'http.timeout';
  return Number(status) >= 400 && Number(status) <= 499;
}

function judgeLeftOut(history: History): Judgement {
  const expected = 'an origin whose registrations were refused gets nothing';
  const seen = history.step(Step.refused);
  if (seen === undefined) return notSeen(history, expected);
  const exchanges = history.of('http.exchange').filter(({ client }) => client === 'seeks-unwanted');
  const answered = exchanges.filter(({ status }) => status > 0).length;
  if (Number(seen.came) > 0) return failed(expected, `${seen.came} of ${seen.asked} requests`);
  if (answered < Number(seen.asked) / 2)
    return inconclusive(expected, `${answered} answers of ${seen.asked}`);
  return judged(true, expected, `none of ${seen.asked} requests`);
}

function judgeReached(history: History, form: string): Judgement {
  const expected = `an origin that registers in the form ${form} is reached`;
  const reach = history.of('step').find(({ step, data }) => step === Step.reach && data.form === form)?.data;
  if (reach === undefined) return notSeen(history, expected);
  return judged(
    reach.reached === true,
    expected,
    reach.reached === true ? `by stream ${reach.asked}` : 'it was not',
  );
}
