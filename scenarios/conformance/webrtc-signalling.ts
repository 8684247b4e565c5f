/** WHIP and WHEP: what is asked and answered over HTTP before any media. */
import { ProtocolError } from '../../protocols/errors.ts';
import { iceAgent, lintAnswer, type SdpViolation } from '../../protocols/sdp/lint.ts';
import { parseSdp } from '../../protocols/sdp/parse.ts';
import { type Check, type CheckContext, check, type Judgement } from '../check.ts';
import type { EventOf, History } from '../history.ts';
import { failed, judged, notSeen } from '../judging.ts';
import { shareObservation } from '../shared-observation.ts';
import { makeOffer } from '../wire/webrtc.ts';
import { judgeWitnesses, Witnesses } from '../wire/witnesses.ts';

export const EDGE_CLUSTER = ['edge-cluster'] as const;
type Use = 'whip' | 'whep';
type Exchange = EventOf<'http.exchange'>;

const SDP_TYPE = 'application/sdp';
const ORIGIN = 'http://player.example';
/** Of the answer of a server that is not busy. */
const LISTED_WITHIN_MS = 1500;

type BadOffer = readonly [name: string, of: (offer: string) => string];

/** Offers that nothing can be made of. */
const BAD_OFFERS: readonly BadOffer[] = [
  ['no session description', () => 'hello'],
  ['one without media', (offer) => offer.slice(0, offer.search(/^m=/m))],
];
/** The one of 10 MB is the last: it may be that nothing can be asked after it. */
const WORSE_OFFERS: readonly BadOffer[] = [
  ['one with unknown codecs', (offer) => offer.replace(/ (H264|opus)\//gi, ' X-NONE/')],
  ['one of 10 MB', (offer) => `${offer}${'a=x-filler:0123456789abcdef\r\n'.repeat(370_000)}`],
];

const endpoint = (t: CheckContext, use: Use, stream: string): string =>
  (use === 'whip' ? t.publishUrl(stream, undefined, 'webrtc') : t.playUrl('webrtc', stream)).replace(
    /^wh[ie]ps?:/,
    'http:',
  );

function observeSignalling(t: CheckContext, use: Use): Promise<void> {
  return shareObservation(t, `${use}-signalling`, () => signal(t, use));
}

async function signal(t: CheckContext, use: Use): Promise<void> {
  const { node } = t.cluster.entry(use === 'whip' ? 'publish' : 'play', 'webrtc');
  const stream = t.stream(use);
  const url = endpoint(t, use, stream);
  const headers = { 'content-type': SDP_TYPE, origin: ORIGIN };
  const offer = await makeOffer(use);
  const post = (label: string, body: string, to = url) =>
    t.http(to, { label, method: 'POST', headers, body });

  t.step('signalling', { use, node, stream });
  const created = await post('created', offer);
  t.step('negotiated', { offer, answer: new TextDecoder().decode(created.body) });
  await t.readApi(node, stream);
  if (use === 'whip') await post('busy', await makeOffer(use));
  const { location } = created.headers;
  if (location !== undefined) {
    const resource = new URL(location, url).href;
    await t.http(resource, { label: 'deleted', method: 'DELETE', headers: { origin: ORIGIN } });
    await t.http(resource.replace(/session=[^&]*/, 'session=none%3Anone'), {
      label: 'deleted-unknown',
      method: 'DELETE',
    });
  }
  await t.http(url, { label: 'got', headers: { origin: ORIGIN } });
  await t.http(url, {
    label: 'options',
    method: 'OPTIONS',
    headers: {
      origin: ORIGIN,
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'content-type,authorization',
    },
  });
  for (const [i, [name, of]] of BAD_OFFERS.entries()) {
    const bad = endpoint(t, use, t.stream(`bad-${i}`));
    t.step('bad', { label: `bad-${i}`, name });
    await post(`bad-${i}`, of(offer), bad);
  }
  await t.untilApi(node, stream, LISTED_WITHIN_MS, ({ clients }) => clients === 0);
  t.step('gone');
}

// whip-contract, whep-contract

function contract(use: Use): Check {
  const what = use === 'whip' ? 'WHIP' : 'WHEP';
  return check({
    id: `webrtc/${use}-contract`,
    title: `${what} answers as its specification says, good requests and bad ones`,
    level: 'must',
    spec: {
      source: use === 'whip' ? 'RFC 9725' : 'draft-ietf-wish-whep',
      where: use === 'whip' ? 'sections 4.1, 4.2, 4.3; Fetch (CORS)' : 'sections 4.1 to 4.3; Fetch (CORS)',
      says: 'POST of an offer is answered with 201, the answer as application/sdp, and the session in Location, which DELETE ends. What cannot be answered gets 4xx, other methods 405, unknown sessions 404. Pages of other origins may do all that.',
    },
    topologies: EDGE_CLUSTER,
    needs: [use === 'whip' ? 'publish.webrtc' : 'play.webrtc', 'observe.api'],
    mutants: [
      'whep-no-location',
      'whep-wrong-content-type',
      'whep-status-200',
      'whep-no-delete',
      'whep-accepts-garbage',
      'whep-no-cors',
      ...(use === 'whip' ? (['whip-double-publish-accepted'] as const) : []),
    ],
    run: (t) => observeSignalling(t, use),

    judge(history) {
      const created = exchangeOf(history, 'created');
      if (created === undefined) return [notSeen(history, 'an offer that is answered')];
      const bad = history.of('step').filter(({ step }) => step === 'bad');
      return [
        ...judgeCreated(created),
        ...judgeDeleted(history),
        ...judgeRefusal(history, 'got', 'GET of the endpoint: 405', (status) => status === 405),
        ...(use === 'whip' ? judgeBusy(history) : []),
        ...bad.flatMap(({ data: { label, name } }) =>
          judgeRefusal(history, `${label}`, `as offer ${name}: 4xx`, isRefusal),
        ),
        ...(bad.length < BAD_OFFERS.length ? [notSeen(history, 'two bad offers')] : []),
        ...judgePreflight(history),
      ];
    },
  });
}

function judgeBusy(history: History): Judgement[] {
  const expected = 'an offer for a stream that is being published: 4xx, or no answer';
  return judgeRefusal(history, 'busy', expected, (status) => isRefusal(status) || status === 0);
}

const isRefusal = (status: number): boolean => status >= 400 && status < 500;

function exchangeOf(history: History, client: string): Exchange | undefined {
  return history.of('http.exchange').find((event) => event.client === client);
}

function told({ status, error }: Exchange): string {
  return status === 0 ? `no answer (${error})` : `${status}`;
}

function judgeCreated(created: Exchange): Judgement[] {
  const { status, headers } = created;
  const type = (headers['content-type'] ?? 'none').split(';')[0]!.trim().toLowerCase();
  const allowed = headers['access-control-allow-origin'];
  return [
    judged(status === 201, 'POST of an offer: 201', told(created)),
    judged(type === SDP_TYPE, `the answer is ${SDP_TYPE}`, type),
    judged(created.bytes > 0, '201 brings an answer', `${created.bytes} bytes`),
    judged(headers.location !== undefined, '201 names the session in Location', headers.location ?? 'none'),
    judged(
      allowed === '*' || allowed === ORIGIN,
      'pages of other origins may read the answer',
      `Access-Control-Allow-Origin: ${allowed ?? 'none'}`,
    ),
  ];
}

function judgeDeleted(history: History): Judgement[] {
  const deleted = exchangeOf(history, 'deleted');
  if (deleted === undefined) return [notSeen(history, 'DELETE of the session')];
  const ok = deleted.status >= 200 && deleted.status < 300;
  const listed = 'a session is a client of its stream';
  const ended = 'after DELETE the session is no client any more';
  const last = history.of('api.stream').findLast(({ t }) => t > deleted.t);
  const before = history.of('api.stream').find(({ t }) => t < deleted.t);
  return [
    judged(ok, 'DELETE of the session: 200', told(deleted)),
    ...judgeRefusal(
      history,
      'deleted-unknown',
      'DELETE of an unknown session: 404',
      (status) => status === 404,
    ),
    before === undefined
      ? notSeen(history, listed)
      : judged(before.clients > 0, listed, `${before.clients} clients`),
    last === undefined
      ? notSeen(history, ended)
      : judged(last.clients === 0, ended, `${last.clients} clients`),
  ];
}

function judgeRefusal(
  history: History,
  client: string,
  expected: string,
  fits: (status: number) => boolean,
): Judgement[] {
  const exchange = exchangeOf(history, client);
  return [
    exchange === undefined
      ? notSeen(history, expected)
      : judged(fits(exchange.status), expected, told(exchange)),
  ];
}

function judgePreflight(history: History): Judgement[] {
  const preflight = exchangeOf(history, 'options');
  if (preflight === undefined) return [notSeen(history, 'OPTIONS')];
  const { status, headers } = preflight;
  const lists = (name: string, value: string): boolean =>
    (headers[name] ?? '')
      .toLowerCase()
      .split(',')
      .some((one) => one.trim() === value || one.trim() === '*');
  const expected = 'OPTIONS lets a page of another origin POST with Content-Type';
  const lacking = [
    ...(status >= 200 && status < 300 ? [] : [`it is ${told(preflight)}`]),
    ...(lists('access-control-allow-origin', ORIGIN) ? [] : ['no Access-Control-Allow-Origin']),
    // POST and text/plain would be free (Fetch, CORS-safelisted method); application/sdp is not.
    ...(lists('access-control-allow-headers', 'content-type') ? [] : ['no Content-Type in Allow-Headers']),
    ...(lists('access-control-allow-methods', 'delete') ? [] : ['no DELETE in Allow-Methods']),
  ];
  return [judged(lacking.length === 0, expected, lacking.join(', ') || told(preflight))];
}

// sdp

const sdp = check({
  id: 'webrtc/sdp',
  title:
    'The answer is one to the offer: bundle, rtcp-mux, setup, the offer’s own payload types, ICE of a lite agent or a full one',
  level: 'must',
  spec: {
    source: 'RFC 9725 4.2, RFC 3264 6, RFC 9143 7.3, RFC 5761 5.1.1, RFC 8842 5.3, RFC 8445 5.2, RFC 8839 5',
    where: 'rules for answers',
    says: 'Media descriptions in the order of the offer, in its group, over one transport with RTCP on it; payload types mean what the offer says; setup is active or passive. a=ice-lite is of the session, and such an agent names host candidates, one at least; every agent has ice-ufrag and ice-pwd.',
  },
  topologies: EDGE_CLUSTER,
  needs: ['play.webrtc', 'observe.api'],
  mutants: ['sdp-own-payload-types', 'sdp-no-bundle', 'rtc-lite-without-candidate'],
  run: (t) => observeSignalling(t, 'whep'),

  judge(history) {
    const negotiated = history.step('negotiated');
    if (negotiated === undefined) return [notSeen(history, 'an offer and its answer')];
    const expected = 'an answer by the book';
    try {
      const offer = parseSdp(`${negotiated.offer}`);
      const answer = parseSdp(`${negotiated.answer}`);
      const violations = lintAnswer(offer, answer).filter(({ level }) => level === 'must');
      const ice = violations.filter(({ rule }) => rule.startsWith('ice-'));
      const broken = violations.filter((violation) => !ice.includes(violation));
      const bundled = answer.bundles.flat();
      const open = answer.media.filter(({ port }) => port !== 0);
      const loose = open.filter(({ mid }) => mid === undefined || !bundled.includes(mid));
      const told = broken.map(tell);
      if (loose.length > 0)
        told.push(`${loose.map(({ kind }) => kind).join(' and ')} in no BUNDLE group (RFC 9725 4.2)`);
      if (open.length === 0) told.push('nothing of what was offered is accepted');
      return [
        judged(told.length === 0, expected, told.join('; ') || `${open.length} media descriptions`),
        judged(
          ice.length === 0,
          'an ICE agent, lite or full, that can be reached',
          [iceAgent(answer), ...ice.map(tell)].join('; '),
        ),
      ];
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      return [failed(expected, error.message)];
    }
  },
});

const tell = ({ says, section }: SdpViolation): string => `${says} (${section})`;

// bad-offers

const badOffers = check({
  id: 'webrtc/bad-offers',
  title: 'An offer that is too long, or of unknown codecs, is refused, and harms nobody',
  level: 'must',
  spec: {
    source: 'RFC 9725',
    where: 'section 4.2; RFC 9110 section 15.5 (4xx)',
    says: 'What is asked for and cannot be given is answered with 4xx. Who plays meanwhile goes on playing.',
  },
  topologies: EDGE_CLUSTER,
  needs: ['publish.webrtc', 'play.webrtc', 'publish.rtmp', 'play.rtmp', 'play.flv', 'observe.api'],
  mutants: ['whep-accepts-garbage'],
  deadlineMs: 30_000,
  disrupts: 'sends what breaks servers',
  alone: true,

  async run(t) {
    const node = t.cluster.nodes.get(t.cluster.entry('play', 'webrtc').node)!;
    const witnesses = await Witnesses.start(t, [node]);
    for (const [i, [name, of]] of WORSE_OFFERS.entries()) {
      for (const use of ['whip', 'whep'] as const) {
        const label = `bad-${use}-${i}`;
        t.step('bad', { label, name: `${name} (${use})` });
        const headers = { 'content-type': SDP_TYPE };
        const body = of(await makeOffer(use));
        await t.http(endpoint(t, use, t.stream(label)), { label, method: 'POST', headers, body });
      }
    }
    await witnesses.goOn();
  },

  judge(history) {
    const bad = history.of('step').filter(({ step }) => step === 'bad');
    const tried = bad.filter(({ data: { label } }) => exchangeOf(history, `${label}`) !== undefined);
    const missing = tried.length < 2 * WORSE_OFFERS.length;
    return [
      ...bad.flatMap(({ data: { label, name } }) =>
        judgeRefusal(history, `${label}`, `as offer ${name}: 4xx`, isRefusal),
      ),
      ...judgeWitnesses(history),
      ...(missing ? [notSeen(history, 'four bad offers')] : []),
    ];
  },
});

export const WEBRTC_SIGNALLING: readonly Check[] = [contract('whep'), contract('whip'), sdp];
/** After all others. */
export const WEBRTC_BAD_OFFERS: readonly Check[] = [badOffers];
