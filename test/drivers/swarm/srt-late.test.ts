import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runLoad, runPublish } from '../../../drivers/swarm/load.ts';
import { judgeLoad } from '../../../reports/judge-load.ts';
import { Load } from '../../../reports/results.ts';
import { SrtRelay } from '../srt/relay.ts';

test('what comes too late for its latency is dropped and belated, in all and of the worst players', async (t) => {
  const relay = await SrtRelay.start(t);
  // Retransmissions, too: in 20 ms there is time for one or two.
  relay.lose = (packet) => packet % 3 === 2;
  const url = (streamId: string, latency: number): string =>
    `srt://127.0.0.1:${relay.port}?streamid=${streamId}&latency=${latency}`;
  const [unpublish, ended] = [new AbortController(), new AbortController()];
  const published = runPublish({
    url: url('publish/s1', 1200),
    streams: 1,
    file: 'fixtures/media/av-480k.flv',
    signal: unpublish.signal,
  });
  const late = { clients: 6, rampMs: 50, durationMs: 15_000, workers: 1 };
  const load = Load.parse(
    await runLoad({
      ...late,
      urls: [url('play/s1', 20), url('play/s1', 0)],
      signal: ended.signal,
      onTick: ({ srt }) => {
        // Before a worker has reported there is none.
        if (srt?.playersWithDrops === late.clients && srt.packets.belated > 0) ended.abort();
      },
    }),
  );
  unpublish.abort();
  await published;
  const { packets, playersWithDrops, worstDropped, worst, latencyMs } = load.srt!;
  assert.ok(packets.dropped > 0 && packets.belated > 0);
  assert.deepEqual([playersWithDrops, latencyMs], [late.clients, 20]);
  assert.equal(worst!.length, late.clients);
  assert.equal(worst![0]!.dropped, worstDropped);
  const sum = (of: 'lost' | 'dropped' | 'belated'): number =>
    worst!.reduce((total, player) => total + player[of], 0);
  assert.deepEqual(
    [sum('lost'), sum('dropped'), sum('belated')],
    [packets.lost, packets.dropped, packets.belated],
  );
  const dropped = worst!.map((player) => player.dropped);
  assert.deepEqual(
    dropped,
    dropped.toSorted((a, b) => b - a),
  );
  assert.ok(worst!.every(({ naks, rttMs }) => naks > 0 && rttMs !== null));
  assert.ok(load.frames.missing + load.frames.corrupt > 0, 'frames went with them');
  const judged = judgeLoad(load, { interrupted: false }).find(({ check }) => check === 'load/srt');
  assert.equal(judged?.verdict, 'fail');
});
