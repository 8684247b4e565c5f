import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { parseInstant, parseShard } from '../../cli/load.ts';
import { merge } from '../../cli/merge.ts';
import { ExitCode, UsageError } from '../../cli/output.ts';
import { LatencyHistogram } from '../../drivers/measure/histogram.ts';
import { MediaSource } from '../../drivers/measure/source.ts';
import { loopbackSource } from '../../drivers/swarm/addresses.ts';
import { runLoad } from '../../drivers/swarm/load.ts';
import { encodeTag, flvHeader } from '../../protocols/flv/writer.ts';
import type { Results } from '../../reports/results.ts';
import { startArgs } from '../../runtime/entry.ts';
import { finding, gate } from '../reports/samples.ts';
import { Capture, resultsIn, temporary } from './surroundings.ts';

const source = MediaSource.load('fixtures/media/av-480k.flv');
const FRAMES = 120;

/** Stamped frames at once, one of them left out, and then the connection stays open. */
function answer(): Buffer {
  const parts: Uint8Array[] = [flvHeader({ audio: true, video: true })];
  for (const { type, body } of source.headers) parts.push(encodeTag(type, 0, body));
  let frame = 0;
  for (const item of source.items) {
    if (item.template === undefined || frame >= FRAMES) continue;
    const body = item.template.write(77, frame, Date.now());
    if (frame !== 50) parts.push(encodeTag(item.type, item.timestamp, body));
    frame++;
  }
  return Buffer.concat([Buffer.from('HTTP/1.1 200 OK\r\n\r\n'), ...parts]);
}

/** Which client asked for which stream, and when. */
async function server(t: TestContext) {
  const asked: { from: string; path: string; at: number }[] = [];
  const listener = createServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', (bytes) => {
      asked.push({ from: socket.remoteAddress!, path: String(bytes).split(' ')[1]!, at: Date.now() });
      socket.write(answer());
    });
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  t.after(() => listener.close());
  const { port } = listener.address() as AddressInfo;
  return { asked, url: (name: string) => `http://127.0.0.1:${port}/live/${name}.flv` };
}

async function shard(args: readonly string[]): Promise<void> {
  const child = spawn(process.execPath, [...startArgs('cli/main.ts'), 'load', ...args], { stdio: 'ignore' });
  await once(child, 'exit');
}

test('shards in processes of their own are one big run: clients, streams, frames, percentiles', async (t) => {
  const { asked, url } = await server(t);
  const urls = [url('a'), url('b')];
  const [clients, of] = [11, 3];
  const out = temporary(t);
  const common = ['-n', String(clients), '--workers', '1', '--ramp', '0', '--duration', '3s'];
  const directories = Array.from({ length: of }, (_, index) => join(out, String(index)));
  await Promise.all(
    directories.map((directory, index) =>
      shard([...urls, ...common, ...['--shard', `${index}/${of}`, '--out', directory]]),
    ),
  );
  const expected = Array.from({ length: clients }, (_, number) => ({
    from: loopbackSource(urls[0]!, number)!,
    path: number % 2 === 0 ? '/live/a.flv' : '/live/b.flv',
  }));
  const byAddress = (a: { from: string }, b: { from: string }) => a.from.localeCompare(b.from);
  assert.deepEqual(asked.map(({ from, path }) => ({ from, path })).sort(byAddress), expected.sort(byAddress));

  const stdout = new Capture();
  const merged = join(out, 'all');
  await merge(directories.toReversed(), merged, stdout);
  const { load, findings } = resultsIn(merged);
  assert.deepEqual(load!.clients, { requested: clients, joined: clients, failed: 0, dropped: 0 });
  assert.equal(load!.frames.received, clients * (FRAMES - 1));
  assert.equal(load!.frames.missing, clients);
  const all = new LatencyHistogram();
  const latencies = directories.map((directory) => resultsIn(directory).load!.latency);
  for (const { join: of, steady } of latencies) {
    for (const { hdr } of [of, steady]) if (hdr !== undefined) all.mergeEncoded(hdr);
  }
  assert.equal(all.count, clients * (FRAMES - 1));
  assert.equal(load!.latency.steady.count + load!.latency.join.count, all.count);
  assert.equal(findings.find(({ check }) => check === 'merge/shards')!.verdict, 'pass');
  assert.match(stdout.text, /load\/frames/);
  for (const file of ['report.html', 'junit.xml', 'summary.md'])
    assert.ok(existsSync(join(merged, file)), file);

  const late = join(out, 'began-too-late');
  const parts = join(out, 'parts');
  await merge([directories[0]!, directories[2]!, late], parts, stdout);
  const { notes, findings: said } = resultsIn(parts);
  assert.ok(notes!.includes(`${late} has no results.json: it is left out`), notes!.join('\n'));
  const { verdict, actual } = said.find(({ check }) => check === 'merge/shards')!;
  assert.deepEqual([verdict, actual], ['inconclusive', 'without 1']);
});

test('nobody comes before the time that all shards begin at', async (t) => {
  const { asked, url } = await server(t);
  const startAt = Date.now() + 1000;
  const over = new AbortController();
  const { shard, clients } = await runLoad({
    ...{ urls: [url('a')], clients: 4, workers: 1, rampMs: 0, durationMs: 60_000 },
    shard: { index: 1, of: 2 },
    startAt,
    signal: over.signal,
    onTick: ({ joined }) => joined === 2 && over.abort(),
  });
  assert.deepEqual(clients, { requested: 2, joined: 2, failed: 0, dropped: 0 });
  assert.equal(asked.length, 2);
  assert.ok(asked.every(({ at }) => at >= startAt));
  const { startedAt, ...rest } = shard!;
  assert.deepEqual(rest, { index: 1, of: 2, clients: 4, rampMs: 0, durationMs: 60_000 });
  assert.ok(Date.parse(startedAt!) >= startAt);
});

test('who interrupts a load that waits for its beginning waits no longer, and has lost nobody', {
  timeout: 20_000,
}, async (t) => {
  const { asked, url } = await server(t);
  const interruption = new AbortController();
  const startAt = Date.now() + 60_000;
  const run = { urls: [url('a')], clients: 4, workers: 1, rampMs: 0, durationMs: 300 };
  const running = runLoad({ ...run, shard: { index: 1, of: 2 }, startAt, signal: interruption.signal });
  interruption.abort();
  const { shard, clients, reasons, generator } = await running;
  assert.ok(Date.now() < startAt);
  assert.equal(asked.length, 0);
  assert.equal(shard!.startedAt, null);
  assert.deepEqual([clients, reasons], [{ requested: 2, joined: 0, failed: 0, dropped: 0 }, {}]);
  assert.deepEqual(generator.reasons, []);
});

test('gates of which one was interrupted are no pass together, however well they went until then', async (t) => {
  const out = temporary(t);
  const directories = ['edge-cluster', 'proxy-cluster'].map((topology, index) => {
    const directory = join(out, topology);
    mkdirSync(directory);
    const { history: _, ...run } = gate([finding({ topology })]);
    const results: Results = { ...run, verdict: 'pass', interrupted: index === 1 };
    writeFileSync(join(directory, 'results.json'), JSON.stringify(results));
    return directory;
  });
  const stdout = new Capture();
  assert.equal(await merge(directories, join(out, 'all'), stdout), ExitCode.inconclusive);
  assert.match(stdout.text, /\(interrupted\)/);
  assert.equal(await merge(directories.slice(0, 1), join(out, 'one'), new Capture()), ExitCode.pass);
});

test('histories are put one after the other', async (t) => {
  const out = temporary(t);
  const directories = ['edge-cluster', 'proxy-cluster'].map((topology) => {
    const directory = join(out, topology);
    mkdirSync(directory);
    const results: Results = {
      ...gate(gate().findings.map((finding) => ({ ...finding, topology }))),
      history: { file: 'history.ndjson', lines: 1 },
    };
    writeFileSync(join(directory, 'results.json'), JSON.stringify(results));
    writeFileSync(join(directory, 'history.ndjson'), `{"topology":"${topology}"}\n`);
    return directory;
  });
  const merged = join(out, 'all');
  assert.equal(await merge(directories, merged, new Capture()), ExitCode.fail);
  assert.deepEqual(resultsIn(merged).history, { file: 'history.ndjson', lines: 2 });
  const lines = readFileSync(join(merged, 'history.ndjson'), 'utf8');
  assert.equal(lines, '{"topology":"edge-cluster"}\n{"topology":"proxy-cluster"}\n');
  const lost = join(out, 'lost');
  mkdirSync(lost);
  writeFileSync(join(lost, 'results.json'), JSON.stringify({ ...resultsIn(directories[1]!), findings: [] }));
  const refused: [string[], string][] = [
    // Its history is gone.
    [[directories[0]!, lost], join(out, 'never')],
    [[directories[0]!, directories[0]!], join(out, 'never')],
    [[directories[0]!, join(out, 'absent')], join(out, 'never')],
    [directories, directories[0]!],
  ];
  for (const [runs, into] of refused) await assert.rejects(merge(runs, into, new Capture()), UsageError);
  assert.ok(!existsSync(join(out, 'never')));
});

test('--shard and --start-at', () => {
  assert.deepEqual(parseShard('2/3', '3'), { index: 2, of: 3 });
  for (const text of ['3/3', '-1/3', '0/0', '1', 'a/b', '0/4'])
    assert.throws(() => parseShard(text, '3'), UsageError);
  const now = Date.parse('2026-11-28T20:00:00Z');
  assert.equal(parseInstant('2026-11-28T20:00:01Z', now), now + 1000);
  assert.equal(parseInstant(String(now / 1000 + 5), now), now + 5000);
  for (const text of ['2026-11-28T19:59:59Z', 'soon', '5s'])
    assert.throws(() => parseInstant(text, now), UsageError);
  const longest = 2 ** 31 - 1;
  assert.equal(parseInstant(new Date(now + longest).toISOString(), now), now + longest);
  for (const text of [new Date(now + longest + 1).toISOString(), '2062-11-28T20:00:00Z', '9999999999'])
    assert.throws(() => parseInstant(text, now), { name: 'UsageError', message: /24 days/ });
});
