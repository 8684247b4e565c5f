/** WHIP and WHEP: what is asked and answered over HTTP before any media. */
import { ProtocolError } from '../../protocols/errors.ts';
import { iceAgent, lintAnswer, type SdpViolation } from '../../protocols/sdp/lint.ts';
import { parseSdp } from '../../protocols/sdp/parse.ts';
import { RTC_CONNECTED_WITHIN_MS } from '../bounds.ts';
import { type Check, type CheckContext, check, type Judgement } from '../check.ts';
import type { ApiReading, EventOf, History } from '../history.ts';
import { failed, judged, notSeen } from '../judging.ts';
import { shareObservation } from '../shared-observation.ts';
import { makeOffer, sourceUrl } from '../wire/webrtc.ts';
import { judgeWitnesses, Witnesses } from '../wire/witnesses.ts';

export const EDGE_CLUSTER = ['edge-cluster'] as const;
type Use = 'whip' | 'whep';
type Exchange = EventOf<'http.exchange'>;

const SDP_TYPE = 'application/sdp';
const ORIGIN = 'http://player.example';
/** By RTMP, or by WHIP where that does not reach them. */
const PLAYED = ['publish.rtmp', 'play.webrtc'] as const;
/** Of the answer of a server that is not busy. */
const LISTED_WITHIN_MS = 1500;
/** Of a request that was neither answered nor ended by the server. */
const TIMED_OUT = 'http.timeout';

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

/** As clients are to offer (RFC 9725 4.4.1): whatever is not the first goes over its transport, and has none to offer. */
export function withMaxBundle(offer: string): string {
  const [session = '', first = '', ...others] = offer.split(/(?=^m=)/m);
  const bundled = others.map((media) => {
    const bare = media
      .replace(/^(m=\S+) \d+/, '$1 0')
      .replace(/^a=(?:candidate|end-of-candidates|ice-\w+|fingerprint|setup|rtcp-mux)\b.*\r?\n/gm, '');
    return `${bare}a=bundle-only\r\n`;
  });
  return [session, first, ...bundled].join('');
}

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
  // An endpoint may want a publisher before it lets players in (draft-ietf-wish-whep section 4.2, 409).
  if (use === 'whep') {
    const publisher = await t.publish({ url: await sourceUrl(t, stream) });
    await publisher.sent(1, RTC_CONNECTED_WITHIN_MS);
  }
  const created = await post('created', offer);
  t.step('negotiated', { offer, answer: new TextDecoder().decode(created.body) });
  await t.readApi(node, stream);
  if (use === 'whip') await post('busy', await makeOffer(use));
  const { location } = created.headers;
  if (location !== undefined) {
    const resource = new URL(location, url).href;
    await t.http(resource, { label: 'got-session', headers: { origin: ORIGIN } });
    await t.http(resource, {
      label: 'options-session',
      method: 'OPTIONS',
      headers: { origin: ORIGIN, 'access-control-request-method': 'DELETE' },
    });
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
  const other = use === 'whip' ? endpoint(t, use, t.stream('bundled')) : url;
  const bundled = await post('bundled', withMaxBundle(await makeOffer(use)), other);
  if (bundled.headers.location !== undefined) {
    const resource = new URL(bundled.headers.location, other).href;
    await t.http(resource, { label: 'bundled-deleted', method: 'DELETE' });
  }
  for (const [i, [name, of]] of BAD_OFFERS.entries()) {
    // A player of what nobody publishes may be refused, whatever it offers.
    const bad = use === 'whip' ? endpoint(t, use, t.stream(`bad-${i}`)) : url;
    t.step('bad', { label: `bad-${i}`, name });
    await post(`bad-${i}`, of(offer), bad);
  }
  await t.untilApi(node, stream, LISTED_WITHIN_MS, (reading) => sessionsIn(reading, use) === 0);
  t.step('gone');
}

/** What is played has a publisher besides; what is published over WHIP has no other. */
function sessionsIn({ clients, publishers }: Pick<ApiReading, 'clients' | 'publishers'>, use: Use): number {
  return use === 'whip' ? clients : clients - publishers;
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
      where:
        'HTTP usage, session setup, SDP bundle (RFC 9725 4.1, 4.2, 4.4.1); RFC 9143 6; RFC 9110 15.5.5, 15.5.11; Fetch (CORS)',
      says: 'POST of an offer, with max-bundle policy, too, is answered with 201, the answer as application/sdp, and the session in Location, which DELETE ends. What cannot be answered gets 4xx, an unknown session 404 or 410. GET of endpoint and session, of which there is nothing to be shown, gets 2xx without content. Pages of other origins may do all that.',
    },
    topologies: EDGE_CLUSTER,
    needs: [...(use === 'whip' ? (['publish.webrtc'] as const) : PLAYED), 'observe.api'],
    mutants: [
      'whep-no-location',
      'whep-wrong-content-type',
      'whep-status-200',
      'whep-no-delete',
      'whep-accepts-garbage',
      'whep-no-cors',
      'whep-get-refused',
      ...(use === 'whip' ? (['whip-double-publish-accepted'] as const) : []),
    ],
    run: (t) => observeSignalling(t, use),

    judge(history) {
      const created = exchangeOf(history, 'created');
      if (created === undefined) return [notSeen(history, 'an offer that is answered')];
      const bad = history.of('step').filter(({ step }) => step === 'bad');
      return [
        ...judgeCreated(created),
        ...judgeDeleted(history, use),
        ...judgeAnswer(history, 'bundled', 'POST of an offer with max-bundle policy: 201', isCreated),
        ...judgeAnswer(history, 'got', 'GET of the endpoint: 2xx without content', isEmpty),
        ...judgeAnswer(history, 'got-session', 'GET of the session: 2xx without content', isEmpty),
        ...(use === 'whip' ? judgeBusy(history) : []),
        ...bad.flatMap(({ data: { label, name } }) =>
          judgeAnswer(history, `${label}`, `as offer ${name}: 4xx`, isRefusal),
        ),
        ...(bad.length < BAD_OFFERS.length ? [notSeen(history, 'two bad offers')] : []),
        ...judgePreflights(history),
      ];
    },
  });
}

function judgeBusy(history: History): Judgement[] {
  const expected = 'an offer for a stream that is being published: 4xx, or the end of its connection';
  return judgeAnswer(
    history,
    'busy',
    expected,
    (exchange) => isRefusal(exchange) || (exchange.status === 0 && exchange.error !== TIMED_OUT),
  );
}

const isRefusal = ({ status }: Exchange): boolean => status >= 400 && status < 500;
const isCreated = ({ status }: Exchange): boolean => status === 201;
const isSuccess = ({ status }: Exchange): boolean => status >= 200 && status < 300;
const isEmpty = (exchange: Exchange): boolean => isSuccess(exchange) && exchange.bytes === 0;
/** 410 is for whoever knows that it was there once (RFC 9110 15.5.5, 15.5.11). */
const isUnknown = ({ status }: Exchange): boolean => status === 404 || status === 410;

function exchangeOf(history: History, client: string): Exchange | undefined {
  return history.of('http.exchange').find((event) => event.client === client);
}

function told({ status, error, bytes }: Exchange): string {
  return status === 0 ? `no answer (${error})` : `${status}, ${bytes} bytes`;
}

/** Whether a field that lists names has this one, or stands for all of them. */
function lists({ headers }: Exchange, field: string, name: string): boolean {
  return (headers[field] ?? '')
    .toLowerCase()
    .split(',')
    .some((one) => one.trim() === name || one.trim() === '*');
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
    // It is none of those that are told to any page (Fetch, CORS-safelisted response-header name).
    judged(
      lists(created, 'access-control-expose-headers', 'location'),
      'pages of other origins may read where the session is',
      `Access-Control-Expose-Headers: ${headers['access-control-expose-headers'] ?? 'none'}`,
    ),
  ];
}

function judgeDeleted(history: History, use: Use): Judgement[] {
  const deleted = exchangeOf(history, 'deleted');
  if (deleted === undefined) return [notSeen(history, 'DELETE of the session')];
  const listed = 'a session is a client of its stream';
  const ended = 'after DELETE the session is no client any more';
  const last = history.of('api.stream').findLast(({ t }) => t > deleted.t);
  const before = history.of('api.stream').find(({ t }) => t < deleted.t);
  return [
    judged(isSuccess(deleted), 'DELETE of the session: 200', told(deleted)),
    ...judgeAnswer(history, 'deleted-unknown', 'DELETE of an unknown session: 404 or 410', isUnknown),
    before === undefined
      ? notSeen(history, listed)
      : judged(sessionsIn(before, use) > 0, listed, `${sessionsIn(before, use)} clients`),
    last === undefined
      ? notSeen(history, ended)
      : judged(sessionsIn(last, use) === 0, ended, `${sessionsIn(last, use)} clients`),
  ];
}

function judgeAnswer(
  history: History,
  client: string,
  expected: string,
  fits: (exchange: Exchange) => boolean,
): Judgement[] {
  const exchange = exchangeOf(history, client);
  return [
    exchange === undefined ? notSeen(history, expected) : judged(fits(exchange), expected, told(exchange)),
  ];
}

/** Each of the URL that the request would be for: an endpoint need not know DELETE, nor a session POST. */
function judgePreflights(history: History): Judgement[] {
  return [
    // POST and text/plain would be free (Fetch, CORS-safelisted method); application/sdp is not.
    judgePreflight(history, 'options', 'POST with Content-Type', ['headers', 'content-type']),
    judgePreflight(history, 'options-session', 'DELETE its session', ['methods', 'delete']),
  ];
}

function judgePreflight(
  history: History,
  client: string,
  deed: string,
  [what, name]: readonly [what: 'headers' | 'methods', name: string],
): Judgement {
  const expected = `OPTIONS lets a page of another origin ${deed}`;
  const preflight = exchangeOf(history, client);
  if (preflight === undefined) return notSeen(history, expected);
  const field = `access-control-allow-${what}`;
  const lacking = [
    ...(isSuccess(preflight) ? [] : [`it is ${told(preflight)}`]),
    ...(lists(preflight, 'access-control-allow-origin', ORIGIN) ? [] : ['no Access-Control-Allow-Origin']),
    ...(lists(preflight, field, name) ? [] : [`no ${name} in ${field}`]),
  ];
  return judged(lacking.length === 0, expected, lacking.join(', ') || told(preflight));
}

// sdp

const sdp = check({
  id: 'webrtc/sdp',
  title:
    'The answer is one to the offer: bundle, rtcp-mux, setup, the offer’s own payload types, ICE of a lite agent or a full one',
  level: 'must',
  spec: {
    source:
      'RFC 9725 4.2 and 4.4.1, RFC 3264 6, RFC 9143 7.3, RFC 5761 5.1.1, RFC 8842 5.3, RFC 8445 5.2, RFC 8839 5',
    where: 'rules for answers',
    says: 'Media descriptions in the order of the offer, in its group, over one transport with RTCP on it; payload types mean what the offer says; setup is active or passive. a=ice-lite is of the session, and such an agent names host candidates, one at least; every agent has ice-ufrag and ice-pwd.',
  },
  topologies: EDGE_CLUSTER,
  needs: [...PLAYED, 'observe.api'],
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
        told.push(`${loose.map(({ kind }) => kind).join(' and ')} in no BUNDLE group (RFC 9725 4.4.1)`);
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
        // A player of what nobody publishes may be refused, whatever it offers.
        const to = endpoint(t, use, use === 'whip' ? t.stream(label) : witnesses.stream);
        await t.http(to, { label, method: 'POST', headers, body });
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
        judgeAnswer(history, `${label}`, `as offer ${name}: 4xx`, isRefusal),
      ),
      ...judgeWitnesses(history),
      ...(missing ? [notSeen(history, 'four bad offers')] : []),
    ];
  },
});

export const WEBRTC_SIGNALLING: readonly Check[] = [contract('whep'), contract('whip'), sdp];
/** After all others. */
export const WEBRTC_BAD_OFFERS: readonly Check[] = [badOffers];
