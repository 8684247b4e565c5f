import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import type { ClientOptions } from '../../../drivers/client.ts';
import { FrameMeter, MeterHistograms } from '../../../drivers/measure/meter.ts';
import { signallingUrl } from '../../../drivers/webrtc/endpoint.ts';
import { WhepPlayer } from '../../../drivers/webrtc/player.ts';
import { takesToken } from '../../../drivers/webrtc/signalling.ts';
import { eventually } from '../support/observe.ts';
import { type Respond, RtcServer, RtcWitness } from './support.ts';

async function played(
  t: TestContext,
  respond: Respond | undefined,
  options: ClientOptions = {},
  path = '/whep',
) {
  const server = await RtcServer.start(t);
  server.respond = respond;
  const witness = new RtcWitness();
  const url = `whep://127.0.0.1:${server.port}${path}`;
  const player = new WhepPlayer(
    url,
    new FrameMeter(new MeterHistograms()),
    { timeoutMs: 5000, ...options },
    witness,
  );
  t.after(() => player.close());
  player.open();
  return { server, witness, player };
}

const SDP = { 'Content-Type': 'application/sdp', Location: '/session/1' };

describe('signalling', { concurrency: true }, () => {
  for (const status of [400, 401, 404, 405, 406, 409, 415, 500, 503]) {
    it(`${status} is http.${status}`, async (t) => {
      const { witness, server } = await played(t, (_, response) =>
        response.writeHead(status).end('no such stream'),
      );
      const closed = await witness.end();
      assert.deepEqual(
        [closed.reason, closed.code, closed.during],
        ['rejected', `http.${status}`, 'handshaking'],
      );
      assert.match(closed.detail, /no such stream/);
      assert.equal(witness.exchanges[0]!.error, `http.${status}`);
      assert.deepEqual(server.deleted, []);
    });
  }

  for (const status of [301, 302, 307, 308]) {
    it(`${status} is followed with the offer`, async (t) => {
      const server = await RtcServer.start(t);
      const { witness, server: first } = await played(
        t,
        (_, response) =>
          response.writeHead(status, { Location: `http://127.0.0.1:${server.port}/there` }).end(),
        { webrtc: { token: 'secret' } },
      );
      await witness.reached('streaming', 5000);
      assert.deepEqual(witness.redirects, [`http://127.0.0.1:${server.port}/there`]);
      // The token is for the host that it was given for.
      assert.deepEqual(
        [...first.requests, ...server.requests].map(({ method, authorization }) => [method, authorization]),
        [
          ['POST', 'Bearer secret'],
          ['POST', undefined],
        ],
      );
    });
  }

  it('303 asks for a GET, which is no offer', async (t) => {
    const { witness } = await played(t, (_, response) => response.writeHead(303, { Location: '/x' }).end());
    assert.equal((await witness.end()).code, 'http.303');
  });

  const ENDS: Record<string, [respond: Respond, reason: string, code: string]> = {
    'a redirect to elsewhere': [
      (_, response) => response.writeHead(307, { Location: 'http://192.0.2.1/' }).end(),
      'redirect',
      'redirect.remote',
    ],
    'a redirect in a circle': [
      (_, response) => response.writeHead(307, { Location: '/again' }).end(),
      'redirect',
      'redirect.limit',
    ],
    'a redirect to nowhere': [
      (_, response) => response.writeHead(307, { Location: 'ftp://127.0.0.1/' }).end(),
      'redirect',
      'redirect.location',
    ],
    'an answer of another type': [
      (_, response) =>
        response.writeHead(201, { ...SDP, 'Content-Type': 'application/json' }).end('{"code":0}'),
      'protocol',
      'signalling.content-type',
    ],
    'an answer that is no SDP': [
      (_, response) => response.writeHead(201, SDP).end('hello'),
      'protocol',
      'sdp.line',
    ],
    'an answer without media': [
      (_, response) => response.writeHead(201, SDP).end('v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n'),
      'protocol',
      'sdp.value',
    ],
    'an answer of 10 MB': [
      (_, response) => response.writeHead(201, SDP).end(Buffer.alloc(10_000_000, 'a')),
      'protocol',
      'signalling.body',
    ],
    'a Location elsewhere': [
      (_, response) => response.writeHead(201, { ...SDP, Location: 'http://192.0.2.1/' }).end('v=0'),
      'redirect',
      'signalling.remote',
    ],
    'no HTTP': [(request) => request.socket.end('SSH-2.0-x\r\n'), 'protocol', 'http1.start-line'],
    'a reset': [(request) => request.socket.resetAndDestroy(), 'reset', 'tcp.econnreset'],
  };
  for (const [what, [respond, reason, code]] of Object.entries(ENDS)) {
    it(`${what}: ${code}`, async (t) => {
      const { witness } = await played(t, respond);
      const closed = await witness.end();
      assert.deepEqual([closed.reason, closed.code], [reason, code]);
    });
  }

  it('no answer is a timeout', async (t) => {
    const { witness } = await played(t, () => {}, { timeoutMs: 2000 });
    assert.equal((await witness.end(6000)).code, 'timeout.handshaking');
  });

  it('nobody there is refused', async () => {
    const witness = new RtcWitness();
    const player = new WhepPlayer('whep://127.0.0.1:1/x', new FrameMeter(new MeterHistograms()), {}, witness);
    player.open();
    const closed = await witness.end();
    assert.deepEqual([closed.reason, closed.code], ['refused', 'tcp.econnrefused']);
  });

  it('an answer whose candidate is dead is a timeout of its own, and is DELETEd', async (t) => {
    const { witness, server } = await played(t, undefined, { timeoutMs: 2000 });
    server.rewrite = (answer) =>
      answer
        .replace(/ 127\.0\.0\.1 \d+ typ host/g, ' 127.0.0.1 9 typ host')
        .replace(/a=ice-pwd:\S+/g, 'a=ice-pwd:0123456789012345678901234');
    assert.equal((await witness.end(7000)).code, 'timeout.requesting');
    await eventually(2000, 'DELETE', () => server.deleted.length === 1);
  });

  it('200 and a missing Location are borne and told', async (t) => {
    const { witness, server } = await played(t, undefined);
    server.respond = (_, response, offer) => {
      const writeHead = response.writeHead.bind(response);
      response.writeHead = ((_status: number) => writeHead(200, { 'Content-Type': 'text/plain' })) as never;
      void server.accept(response, offer);
    };
    await witness.reached('streaming', 5000);
    assert.deepEqual(witness.problems, [
      'signalling.status',
      'signalling.location',
      'signalling.content-type',
    ]);
  });

  it('closing while the offer is under way ends at once', async (t) => {
    const { witness, player } = await played(t, () => {});
    await witness.reached('handshaking');
    player.close();
    assert.equal((await witness.end()).reason, 'local');
    assert.deepEqual(witness.exchanges, []);
  });

  it('a token is for its endpoint, and never leaves TLS for plain text', () => {
    const goes = (from: string, to: string) => takesToken(new URL(from), new URL(to));
    assert.ok(goes('http://h/whep', 'http://h/session/1') && goes('https://h:8443/whep', 'https://h:8443/x'));
    assert.ok(goes('http://h/whep', 'https://h/whep'));
    // Without ports, the two have the same host, on 443 and on 80.
    assert.ok(!goes('https://h/whep', 'http://h/whep'));
    assert.ok(!goes('http://h/whep', 'http://h:8080/whep') && !goes('http://h/whep', 'http://other/whep'));
  });

  it('URLs', () => {
    assert.equal(signallingUrl('whep://h/x?app=live', 'whep').href, 'http://h/x?app=live');
    assert.equal(signallingUrl('WHIPS://h:1/x', 'whip').href, 'https://h:1/x');
    for (const bad of ['whip://h/x', 'http://h/x', 'whep://', 'whep:h']) {
      assert.throws(() => signallingUrl(bad, 'whep'), { code: 'url' });
    }
  });
});
