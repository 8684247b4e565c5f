import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type LoadTick, runLoad } from '../../../drivers/swarm/load.ts';
import { loadLine } from '../../../drivers/swarm/progress.ts';
import { judgeLoad } from '../../../reports/judge-load.ts';
import { Load } from '../../../reports/results.ts';
import { FRAMES_PER_SEGMENT, serve, serveStream } from './support.ts';

test('load: HLS players of all workers are one set of figures, judged as what they are', async (t) => {
  const server = await serve(t);
  serveStream(server, 4);
  server.routes.delete('/live/2.ts');
  const ended = new AbortController();
  const clients = 20;
  let tick: LoadTick | undefined;
  const figures = await runLoad({
    urls: [`${server.url}/live/x.m3u8`],
    clients,
    rampMs: 100,
    durationMs: 20_000,
    workers: 2,
    client: { hls: { maxRetries: 1 } },
    signal: ended.signal,
    onTick: (now) => {
      tick = now;
      if (now.hls?.finished === clients) ended.abort();
    },
  });
  const load = Load.parse(figures);
  assert.deepEqual(load.clients, { requested: clients, joined: clients, failed: 0, dropped: 0 });
  assert.equal(load.frames.received, clients * 3 * FRAMES_PER_SEGMENT);
  assert.equal(load.frames.missing, clients * FRAMES_PER_SEGMENT);
  const { playlists, segments, problems, retries, finished, targetDurationMs } = load.hls!;
  assert.deepEqual([playlists.requests, playlists.failed, playlists.missing], [clients, 0, 0]);
  assert.deepEqual(
    [segments.requests, segments.failed, segments.missing],
    [5 * clients, 2 * clients, 2 * clients],
  );
  assert.deepEqual([playlists.time.count, playlists.staleness.count], [clients, clients]);
  assert.equal(segments.time.count, 3 * clients);
  assert.ok(segments.bytes > playlists.bytes && segments.bytes < load.bytes);
  assert.deepEqual(problems, { 'hls.segment.missing': 2 * clients, 'hls.gap': clients });
  assert.deepEqual([retries, finished, targetDurationMs], [clients, clients, 1000]);
  const findings = judgeLoad(load, { interrupted: false });
  const verdict = (check: string): string => findings.find((of) => of.check === check)!.verdict;
  assert.deepEqual(['load/playlists', 'load/kept', 'load/joined'].map(verdict), ['pass', 'pass', 'pass']);
  assert.notEqual(verdict('load/segments'), 'pass');
  assert.match(loadLine(tick!), /20 playlists, 100 segments, 40 failed, 60 problems/);
});
