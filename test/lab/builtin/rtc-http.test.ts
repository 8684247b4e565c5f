import assert from 'node:assert/strict';
import { request } from 'node:http';
import { after, describe, it, type TestContext } from 'node:test';
import fc from 'fast-check';
import type { MutantId } from '../../../lab/builtin/mutants.ts';
import { lintAnswer } from '../../../protocols/sdp/lint.ts';
import { parseSdp } from '../../../protocols/sdp/parse.ts';
import { type RtcNode, startRtcNode } from './rtc-support.ts';
import { clientsOf, eventually, stopAll } from './support.ts';

const FINGERPRINT = Array.from({ length: 32 }, (_, at) => (at + 16).toString(16).toUpperCase()).join(':');

interface Offered {
  readonly direction?: string;
  readonly bundle?: string;
  readonly video?: string;
}

/** A browser's, in short: Opus, then VP8 and H.264 with RTX. */
function offer({
  direction = 'recvonly',
  bundle = 'a=group:BUNDLE 0 1',
  video = VIDEO,
}: Offered = {}): string {
  const transport = [
    'a=ice-ufrag:abcd',
    'a=ice-pwd:abcdefghijklmnopqrstuvwx',
    `a=fingerprint:sha-256 ${FINGERPRINT}`,
    'a=setup:actpass',
    'a=rtcp-mux',
    `a=${direction}`,
  ];
  return [
    ...['v=0', 'o=- 1 1 IN IP4 127.0.0.1', 's=-', 't=0 0', bundle],
    ...['m=audio 9 UDP/TLS/RTP/SAVPF 111 0', 'c=IN IP4 0.0.0.0', 'a=mid:0', ...transport],
    ...[
      'a=rtpmap:111 opus/48000/2',
      'a=rtcp-fb:111 transport-cc',
      'a=candidate:1 1 udp 1 192.0.2.1 9 typ host',
    ],
    ...[video, 'c=IN IP4 0.0.0.0', 'a=mid:1', ...transport, 'a=extmap:3 urn:ietf:params:rtp-hdrext:sdes:mid'],
    ...['a=rtpmap:96 VP8/90000', 'a=rtpmap:97 rtx/90000', 'a=fmtp:97 apt=96', 'a=rtpmap:102 H264/90000'],
    'a=fmtp:102 level-asymmetry-allowed=1;packetization-mode=0;profile-level-id=42e01f',
    ...['a=rtpmap:125 H264/90000', 'a=rtcp-fb:125 nack', 'a=rtcp-fb:125 nack pli', 'a=rtcp-fb:125 goog-remb'],
    'a=fmtp:125 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f',
    '',
  ].join('\r\n');
}
const VIDEO = 'm=video 9 UDP/TLS/RTP/SAVPF 96 97 102 125';

const SDP = { 'Content-Type': 'application/sdp' };

function post(node: RtcNode, body: string, kind = 'whep', headers: Record<string, string> = SDP) {
  return fetch(`${node.apiUrl}/rtc/v1/${kind}/?app=live&stream=x`, { method: 'POST', headers, body });
}

async function status(answer: Promise<Response>): Promise<[number, string]> {
  const response = await answer;
  return [response.status, (await response.text()).trim()];
}

describe('WHIP and WHEP over HTTP', () => {
  after(stopAll);

  it('201, a right answer, and a resource that goes with DELETE', async (t) => {
    const node = await startRtcNode(t, { host: '127.0.0.5' });
    const response = await post(node, offer());
    assert.equal(response.status, 201);
    assert.equal(response.headers.get('content-type'), 'application/sdp');
    assert.equal(response.headers.get('access-control-allow-origin'), '*');
    assert.equal(response.headers.get('access-control-expose-headers'), 'Location');
    const answer = parseSdp(await response.text());
    assert.deepEqual(lintAnswer(parseSdp(offer()), answer), []);
    assert.deepEqual(answer.bundles, [['0', '1']]);
    for (const { iceUfrag = '', icePwd = '' } of answer.media) {
      // Sessions share a port, and are told apart by it: 4 characters are soon the same.
      assert.match(iceUfrag, /^[A-Za-z0-9+/]{8,32}$/);
      assert.match(icePwd, /^[A-Za-z0-9+/]{24,256}$/);
    }
    assert.deepEqual(
      answer.media.map(({ kind, formats, direction }) => [kind, formats, direction]),
      [
        ['audio', ['111'], 'sendonly'],
        ['video', ['125'], 'sendonly'],
      ],
    );
    assert.deepEqual(answer.media[1]!.codecs[0]!.feedback, ['nack', 'nack pli']);
    const places = answer.media.flatMap(({ candidates }) =>
      candidates.map(({ address, port }) => [address, port]),
    );
    const here = ['127.0.0.5', node.config.rtcPort];
    assert.deepEqual(places, [here, here]);

    const [client] = await clientsOf(node);
    assert.deepEqual([client!.type, client!.url], ['rtc-play', '/live/x']);
    const location = response.headers.get('location')!;
    assert.match(location, /^\/rtc\/v1\/whep\/\?action=delete&token=\w+&app=live&stream=x&session=/);
    const resource = new URL(location, node.apiUrl);
    const stranger = new URL(resource);
    stranger.searchParams.set('token', 'x');
    const remove = (url: URL) => status(fetch(url, { method: 'DELETE' }));
    // RFC 9725 section 4.1: there is nothing to be shown.
    const show = (url: URL | string, method = 'GET') => status(fetch(url, { method }));
    const endpoint = `${node.apiUrl}/rtc/v1/whep/?app=live&stream=x`;
    assert.deepEqual(await show(endpoint), [204, '']);
    assert.deepEqual(await show(endpoint, 'HEAD'), [204, '']);
    assert.deepEqual(await show(resource), [204, '']);
    assert.deepEqual(await show(stranger), [404, 'no such session']);
    assert.deepEqual(await remove(stranger), [404, 'no such session']);
    assert.deepEqual(await remove(resource), [200, '']);
    assert.deepEqual(await clientsOf(node), []);
    assert.deepEqual(await remove(resource), [404, 'no such session']);
  });

  it('what cannot be answered gets a status that says so, and leaves nothing behind', async (t) => {
    const node = await startRtcNode(t);
    const says = async (body: string, kind?: string, headers?: Record<string, string>) =>
      status(post(node, body, kind, headers));
    const head = 'v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n';
    assert.deepEqual(await says(head), [422, 'no media description']);
    assert.equal((await says('garbage'))[0], 400);
    assert.equal((await says(''))[0], 400);
    const vp8 = offer({ video: 'm=video 9 UDP/TLS/RTP/SAVPF 96 97' });
    assert.deepEqual(await says(vp8), [422, 'no H.264 with packetization-mode=1, only VP8, rtx']);
    assert.deepEqual(await says(offer({ bundle: 'a=x' })), [422, 'no video in a=group:BUNDLE']);
    assert.deepEqual(await says(offer({ direction: 'sendonly' })), [
      422,
      'video 1 is sendonly, not recvonly',
    ]);
    assert.deepEqual(await says(offer(), 'whip'), [422, 'video 1 is recvonly, not sendonly']);
    assert.deepEqual(await says(offer().replaceAll('a=rtcp-mux\r\n', '')), [
      422,
      'video 1 has no a=rtcp-mux',
    ]);
    assert.deepEqual(await says(offer().replaceAll('a=ice-pwd:', 'a=x:')), [
      422,
      'no a=ice-pwd of 22 to 256 ice-chars',
    ]);
    assert.deepEqual(await says(offer().replaceAll('sha-256', 'sha-1')), [
      422,
      'no a=fingerprint of SHA-256 or better',
    ]);
    assert.equal((await says(offer(), 'whep', { 'Content-Type': 'text/plain' }))[0], 415);
    const long = `${offer()}a=x:${'y'.repeat(10 * 1024 * 1024)}\r\n`;
    assert.deepEqual(await says(long), [413, 'an offer of more than 65536 bytes']);
    const methods = 'GET, HEAD, POST, DELETE, OPTIONS';
    for (const method of ['PUT', 'PATCH']) {
      const response = await fetch(`${node.apiUrl}/rtc/v1/whep/`, { method });
      assert.deepEqual([response.status, response.headers.get('allow')], [405, methods]);
    }
    assert.deepEqual(await clientsOf(node), []);
    assert.equal((await fetch(`${node.apiUrl}/rtc/v1/other/`)).status, 404);
  });

  it('an offer as that of RFC 9725, with what is of the transport in its first media description only', async (t) => {
    const node = await startRtcNode(t);
    const [first, second] = offer().split('m=video 9') as [string, string];
    const bare = second.replace(/a=(ice-ufrag|ice-pwd|fingerprint|setup|rtcp-mux).*\r\n/g, '');
    const maxBundle = `${first}m=video 0${bare}a=bundle-only\r\n`;
    const response = await post(node, maxBundle);
    assert.equal(response.status, 201);
    const answer = parseSdp(await response.text());
    assert.deepEqual(lintAnswer(parseSdp(maxBundle), answer), []);
    const ports = answer.media.map(({ port }) => port);
    assert.deepEqual(ports, [9, 9]);
    // Without the word it is a refusal.
    assert.equal((await post(node, maxBundle.replace('a=bundle-only\r\n', ''))).status, 422);
  });

  it('a page of another origin may ask', async (t) => {
    const node = await startRtcNode(t);
    const headers = {
      'Access-Control-Request-Method': 'POST',
      'Access-Control-Request-Headers': 'authorization,content-type',
    };
    const response = await fetch(`${node.apiUrl}/rtc/v1/whip/`, { method: 'OPTIONS', headers });
    assert.equal(response.status, 204);
    const seen = ['origin', 'methods', 'headers'].map((name) =>
      response.headers.get(`access-control-allow-${name}`),
    );
    assert.deepEqual(seen, ['*', 'GET, HEAD, POST, DELETE, OPTIONS', 'authorization,content-type']);
    assert.equal(response.headers.get('accept-post'), 'application/sdp');
  });

  it('a second publisher gets 409; who never connects is forgotten', async (t) => {
    const node = await startRtcNode(t, { timeouts: { rtcSilence: 1500 } });
    const publish = () => status(post(node, offer({ direction: 'sendonly' }), 'whip'));
    assert.equal((await publish())[0], 201);
    assert.deepEqual(await publish(), [409, 'stream /live/x is busy']);
    assert.equal((await clientsOf(node)).length, 1);
    await eventually('the session is gone', async () => (await clientsOf(node)).length === 0);
    assert.equal((await publish())[0], 201);
  });

  it('any offer gets an answer, and the node goes on', async (t) => {
    const node = await startRtcNode(t, { timeouts: { rtcSilence: 500 } });
    const good = offer();
    const lines = good.split('\r\n');
    const mutated = fc
      .array(
        fc.tuple(fc.nat(lines.length - 1), fc.constantFrom('drop', 'twice', 'cut', 'junk'), fc.nat(40)),
        {
          minLength: 1,
          maxLength: 6,
        },
      )
      .map((changes) => {
        const changed: string[] = [...lines];
        for (const [at, how, number] of changes) {
          const line = changed[at] ?? '';
          if (how === 'drop') changed[at] = '';
          else if (how === 'twice') changed[at] = `${line}\r\n${line}`;
          else if (how === 'cut') changed[at] = line.slice(0, number);
          else changed[at] = `${line.slice(0, number)}\u0000${'9'.repeat(number)}${line.slice(number)}`;
        }
        return changed.join('\r\n');
      });
    const bytes = fc.oneof(mutated, fc.string({ maxLength: 300 }));
    const property = fc.asyncProperty(bytes, fc.constantFrom('whip', 'whep'), async (body, kind) => {
      const [code] = await status(post(node, body, kind));
      assert.ok([201, 400, 409, 422].includes(code), `${code} to ${JSON.stringify(body)}`);
    });
    await fc.assert(property, { numRuns: 300 });
    assert.equal((await post(node, good)).status, 201);
    await eventually('no session is left', async () => (await clientsOf(node)).length === 0);
  });

  it('a client that goes in the middle of its offer is no matter', async (t) => {
    const node = await startRtcNode(t);
    await new Promise<void>((resolve) => {
      const { apiPort, host } = node.config;
      const half = request({ host, port: apiPort, method: 'POST', path: '/rtc/v1/whep/', headers: SDP });
      half.on('error', () => resolve());
      half.write('v=0\r\n');
      setTimeout(() => half.destroy(new Error('enough')), 50);
    });
    assert.equal((await post(node, offer())).status, 201);
  });
});

describe('mutants of WHIP and WHEP over HTTP', () => {
  after(stopAll);

  const mutant = async (t: TestContext, id: MutantId) => startRtcNode(t, { mutants: [id] });

  it('answers', async (t) => {
    const seen = async (id: MutantId) => {
      const response = await post(await mutant(t, id), offer());
      const { headers } = response;
      const answer = parseSdp(await response.text());
      return {
        status: response.status,
        location: headers.has('location'),
        type: headers.get('content-type'),
        cors: headers.has('access-control-allow-origin'),
        rules: [...new Set(lintAnswer(parseSdp(offer()), answer).map(({ rule }) => rule))],
      };
    };
    const right = { status: 201, location: true, type: 'application/sdp', cors: true, rules: [] as string[] };
    assert.deepEqual(await seen('whep-no-location'), { ...right, location: false });
    assert.deepEqual(await seen('whep-wrong-content-type'), { ...right, type: 'text/plain' });
    assert.deepEqual(await seen('whep-status-200'), { ...right, status: 200 });
    assert.deepEqual(await seen('whep-no-cors'), { ...right, cors: false });
    assert.deepEqual(await seen('sdp-own-payload-types'), {
      ...right,
      rules: ['payload-type'],
    });
    assert.deepEqual(await seen('sdp-no-bundle'), { ...right, rules: ['bundle'] });
    assert.deepEqual(await seen('rtc-lite-without-candidate'), {
      ...right,
      rules: ['candidate', 'ice-lite-candidate'],
    });
  });

  it('whep-no-delete', async (t) => {
    const node = await mutant(t, 'whep-no-delete');
    const location = (await post(node, offer())).headers.get('location')!;
    assert.equal((await fetch(`${node.apiUrl}${location}`, { method: 'DELETE' })).status, 200);
    assert.equal((await clientsOf(node)).length, 1);
  });

  it('whep-get-refused', async (t) => {
    const node = await mutant(t, 'whep-get-refused');
    assert.equal((await fetch(`${node.apiUrl}/rtc/v1/whip/`)).status, 405);
  });

  it('whep-accepts-garbage', async (t) => {
    assert.equal((await post(await mutant(t, 'whep-accepts-garbage'), 'garbage')).status, 201);
  });

  it('whip-double-publish-accepted', async (t) => {
    const node = await mutant(t, 'whip-double-publish-accepted');
    const publish = () => post(node, offer({ direction: 'sendonly' }), 'whip');
    assert.deepEqual([(await publish()).status, (await publish()).status], [201, 201]);
  });
});
