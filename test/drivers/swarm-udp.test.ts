import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { WebRtcOptions, WebRtcTransportName } from '../../drivers/client.ts';
import { clientSource } from '../../drivers/swarm/addresses.ts';
import { type LoadTick, runLoad, runPublish } from '../../drivers/swarm/load.ts';
import { judgeLoad } from '../../reports/judge-load.ts';
import { Load, Publish } from '../../reports/results.ts';
import { SrtRelay } from './srt/relay.ts';
import { eventually } from './support/observe.ts';
import { type Peer, RtcServer } from './webrtc/support.ts';

/** A process that has to wait for its turn for so long does not lose what was sent again in time. */
const LATENCY_MS = 1200;
const FILE = 'fixtures/media/av-480k.flv';

function notPassed(load: Load): string[] {
  return judgeLoad(load, { interrupted: false })
    .filter(({ verdict }) => verdict !== 'pass')
    .map(({ check }) => check);
}

test('source addresses over UDP: neighbours share one, processes have different ones', () => {
  const of = (url: string, index: number, first: number, allowRemote = false): string | undefined =>
    clientSource(url, index, { numberOf: (place) => first + place * 2, allowRemote });
  for (const url of ['srt://127.0.0.1:9000?streamid=x', 'whep://127.0.0.1:1985/x', 'wheps://127.0.0.1/x']) {
    assert.equal(of(url, 0, 0), of(url, 63, 0));
    const addresses = [of(url, 0, 0), of(url, 64, 0), of(url, 0, 1), of(url, 64, 1)];
    assert.equal(new Set(addresses).size, 4, addresses.join());
  }
  assert.notEqual(of('rtmp://127.0.0.1/a/b', 0, 0), of('rtmp://127.0.0.1/a/b', 1, 0));
  assert.equal(of('srt://localhost:9000', 0, 0), undefined);
  assert.equal(of('whep://127.0.0.1/x', 0, 0, true), undefined, 'media may come from elsewhere');
  assert.match(of('srt://127.0.0.1:9', 0, 0, true) ?? '', /^127\./);
});

test('SRT: publishers and the players of all workers, with loss that is made good, and callers that are refused', async (t) => {
  const passphrase = 'correcthorse';
  const relay = await SrtRelay.start(t, { passphrase });
  relay.lose = (packet) => packet % 20 === 19;
  const url = (streamId: string, options = `passphrase=${passphrase}`): string =>
    `srt://127.0.0.1:${relay.port}?streamid=${streamId}&latency=${LATENCY_MS}&${options}`;
  const [unpublish, ended] = [new AbortController(), new AbortController()];
  const published = runPublish({ url: url('publish/s%d'), streams: 2, file: FILE, signal: unpublish.signal });
  let tick: LoadTick | undefined;
  const figures = await runLoad({
    urls: [url('play/s1'), url('play/s2'), url('nobody'), url('play/s1', 'passphrase=batterystaple')],
    clients: 20,
    rampMs: 100,
    durationMs: 15_000,
    workers: 2,
    signal: ended.signal,
    onTick: (now) => {
      tick = now;
      if (now.joined === 10 && now.failed === 10 && now.srt!.packets.received > 1000) ended.abort();
    },
  });
  unpublish.abort();
  const load = Load.parse(figures);
  assert.deepEqual(load.clients, { requested: 20, joined: 10, failed: 10, dropped: 0 });
  assert.deepEqual(load.reasons, { 'srt.rejected.peer': 5, 'srt.rejected.bad-secret': 5 });
  const { players, packets, naks, playersWithLoss, latencyMs, rtt, problems } = load.srt!;
  assert.deepEqual([players, playersWithLoss, latencyMs, problems], [10, 10, LATENCY_MS, {}]);
  assert.ok(packets.received > 1000 && packets.lost > 0 && packets.retransmitted > 0 && naks > 0);
  assert.deepEqual([packets.undecryptable, packets.malformed], [0, 0]);
  assert.ok(rtt.count > 0 && rtt.p50! < LATENCY_MS);
  assert.ok(load.frames.received > 0 && load.frames.corrupt === 0 && load.frames.unstamped === 0);
  assert.equal(tick!.srt!.players, 10);
  assert.ok(notPassed(load).includes('load/joined'));
  await eventually(2000, 'every player to say goodbye', () => relay.left === 10);
  const { clients, frames, srt } = Publish.parse(await published);
  assert.deepEqual(clients, { requested: 2, joined: 2, failed: 0, dropped: 0 });
  assert.ok(frames > 0);
  const { total, publishers } = srt!;
  assert.equal(publishers.length, 2);
  assert.equal(total.sent, publishers[0]!.sent + publishers[1]!.sent);
  assert.ok(publishers.every(({ sent, rttMs }) => sent > 0 && rttMs !== null && rttMs < LATENCY_MS));
});

const FRAMES = 60;
const CLIENTS = 6;

const WAYS: readonly (WebRtcOptions & { transport: WebRtcTransportName })[] = [
  { transport: 'lite' },
  { transport: 'lite', sample: 1 },
  { transport: 'datachannel' },
];

for (const way of WAYS) {
  const { transport, sample } = way;
  const name = sample === 1 ? `${transport}, every frame decrypted` : transport;
  test(`WHEP by ${name}: the players of all workers are one set of figures, and say goodbye`, async (t) => {
    const server = await RtcServer.start(t);
    const ended = new AbortController();
    const heard: Peer[] = [];
    server.respond = (request, response, offer) => {
      if (request.url?.includes('absent')) {
        response.writeHead(404).end();
        return;
      }
      // libdatachannel sets the peer's ICE credentials a moment before its fingerprint: a server that knows the client's
      // candidates and checks them at once gets through to DTLS in between, which then fails.
      const quiet = offer.replaceAll(/a=(?:candidate:.*|end-of-candidates)\r\n/g, '');
      void server.accept(response, quiet).then(async () => {
        const peer = server.peers.find((of) => of.offer === quiet)!;
        await eventually(8000, 'a connection', () => peer.connection.state() === 'connected');
        await peer.heard();
        heard.push(peer);
        // All at once, so that nobody's picture stands still while others are waited for.
        if (heard.length < CLIENTS) return;
        for (const one of heard) void one.sendFrames(FRAMES, (packet) => packet === 30);
      });
    };
    // Bytes that are no media flow from the first answer to the end of the load, however long a slow machine takes to let
    // the others in, and to say that the last frame has come.
    const reports = setInterval(() => {
      for (const peer of heard) peer.report();
    }, 50);
    t.after(() => clearInterval(reports));
    const url = (path: string): string => `whep://127.0.0.1:${server.port}/${path}`;
    const figures = await runLoad({
      urls: [url('live'), url('absent')],
      clients: 2 * CLIENTS,
      rampMs: 100,
      durationMs: 15_000,
      workers: 2,
      client: { webrtc: { ...way, token: 'hunter2' } },
      signal: ended.signal,
      onFigures: ({ clients, frames, webrtc }) => {
        const whole = CLIENTS * FRAMES;
        if (clients.failed < CLIENTS || frames.received < whole || webrtc!.rtp.audioPackets < whole) return;
        ended.abort();
      },
    });
    const load = Load.parse(figures);
    assert.deepEqual(load.clients, { requested: 12, joined: 6, failed: 6, dropped: 0 });
    assert.deepEqual(load.reasons, { 'http.404': CLIENTS });
    const { received, missing, corrupt, unstamped } = load.frames;
    assert.deepEqual([received, missing, corrupt, unstamped], [CLIENTS * FRAMES, 0, 0, 0]);
    const { rtp, srtp, offers, players, jitter, framesVerified, problems } = load.webrtc!;
    assert.deepEqual([load.webrtc!.transport, players, problems], [transport, CLIENTS, {}]);
    assert.deepEqual([offers.requests, offers.failed, offers.time.count], [12, 6, 6]);
    assert.deepEqual([rtp.lost, rtp.damaged, rtp.malformed, rtp.recovered], [0, 0, 0, CLIENTS]);
    assert.ok(rtp.nacked >= CLIENTS);
    assert.deepEqual(
      [rtp.audioPackets, rtp.packets - rtp.videoPackets],
      [CLIENTS * FRAMES, CLIENTS * FRAMES],
    );
    assert.ok(jitter.count > 0);
    if (transport === 'datachannel' || sample === 1) assert.equal(framesVerified, received);
    else {
      assert.ok(framesVerified >= CLIENTS && framesVerified < received, `${framesVerified}`);
      assert.ok(srtp.opened > 0 && srtp.peeked > 0 && srtp.forged === 0);
    }
    assert.deepEqual(
      notPassed(load).filter((check) => check !== 'load/generator'),
      ['load/joined'],
    );
    assert.equal(server.deleted.length, CLIENTS);
    assert.ok(server.requests.every(({ authorization }) => authorization === 'Bearer hunter2'));
  });
}
