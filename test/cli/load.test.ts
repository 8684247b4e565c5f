import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type TestContext, test } from 'node:test';
import { type LoadArguments, type LoadSurroundings, load } from '../../cli/load.ts';
import { ExitCode, UsageError } from '../../cli/output.ts';
import type { LoadOptions, LoadTick } from '../../drivers/swarm/load.ts';
import { type Load, Results } from '../../reports/results.ts';
import { startArgs } from '../../runtime/entry.ts';
import { hlsFigures, loadFigures, srtFigures, webRtcFigures } from '../reports/samples.ts';
import { resultsIn, surroundings, temporary } from './surroundings.ts';

const URL_OF_FLV = 'http://127.0.0.1:8080/live/a.flv';
const URL_OF_HLS = 'http://127.0.0.1:8080/live/a.m3u8';
const ARGUMENTS: LoadArguments = { clients: '10', ramp: '500ms', duration: '2m' };

const TICK: LoadTick = {
  second: 3.01,
  phase: 'steady',
  requested: 10,
  opened: 10,
  joined: 9,
  failed: 1,
  dropped: 0,
  bytes: 1e6,
  stalls: 2,
  intervalMbitPerSecond: 4.8,
  intervalStalls: 0,
  intervalLatencyP50: 92,
  intervalLatencyP99: null,
  intervalLoopLagMs: 3,
  intervalCpuCores: 0.1,
  generator: { healthy: true, reasons: [], loopLagP99Ms: 3, cpuCores: 0.1, rssMb: 80, udpDrops: 0 },
};

/** A swarm that was asked for nothing real. */
function fakeRun(figures: Load, onRun: (options: LoadOptions) => void = () => {}): LoadSurroundings['run'] {
  return async (options) => {
    onRun(options);
    options.onTick?.(TICK);
    return figures;
  };
}

test('the swarm gets what was asked for, the run its directory, the shell its exit code', async (t) => {
  const out = temporary(t);
  const around = surroundings();
  let asked: LoadOptions | undefined;
  const run = fakeRun(loadFigures(), (options) => {
    asked = options;
  });
  const code = await load([URL_OF_FLV], { ...ARGUMENTS, workers: '2', out }, { ...around, run });
  assert.equal(code, ExitCode.pass);
  const { urls, clients, rampMs, durationMs, workers } = asked!;
  assert.deepEqual([urls, clients, rampMs, durationMs, workers], [[URL_OF_FLV], 10, 500, 120_000, 2]);
  assert.deepEqual(readdirSync(out).sort(), ['junit.xml', 'report.html', 'results.json', 'summary.md']);
  const results = resultsIn(out);
  assert.equal(results.verdict, 'pass');
  assert.equal(results.interrupted, false);
  assert.deepEqual(results.load, loadFigures());
  assert.match(around.stdout.text, /^pass {2}5,000 of 5,000 players joined, no frame missing/m);
  assert.match(around.stdout.text, /report: .*report\.html\n$/);
  assert.match(around.stderr.text, /^3 s steady \| 9\/10 joined, 1 failed .*p50 92 ms p99 -/);
  assert.ok(around.state.released);
});

test('HLS: what was asked for reaches the players, what they counted the shell', async (t) => {
  const around = surroundings();
  let asked: LoadOptions | undefined;
  const hls = hlsFigures({ problems: { 'hls.gap': 4 }, retries: 9 });
  const run: LoadSurroundings['run'] = async (options) => {
    asked = options;
    const { playlists, segments, ...rest } = hls;
    options.onTick?.({ ...TICK, hls: { playlists, segments, ...rest } });
    return loadFigures({ hls });
  };
  const out = temporary(t);
  const args = { ...ARGUMENTS, out, hlsStart: 'live-edge', hlsVariant: '2', cmcd: 'query' };
  assert.equal(await load([URL_OF_HLS], args, { ...around, run }), ExitCode.fail);
  assert.deepEqual(asked!.client?.hls, { start: 'live-edge', variant: 2, cmcd: 'query' });
  assert.match(around.stderr.text, / \| 9000 playlists, 8800 segments, 4 problems \| /);
  assert.match(around.stdout.text, /^playlist requests +/m);
  assert.match(
    around.stdout.text,
    /^hls +9,000 playlists, 8,800 segments, 0 failed, 0 of them 404, 9 retries, 4 hls\.gap$/m,
  );
  assert.match(around.stdout.text, /fail {2}load\/segments\n/);
  const { command, load: figures } = resultsIn(out);
  assert.deepEqual(command.slice(-6), ['--hls-start', 'live-edge', '--hls-variant', '2', '--cmcd', 'query']);
  assert.deepEqual(figures!.hls, hls);
});

test('SRT and WHEP: what was asked for reaches the players, what they counted the shell, the token nobody', async (t) => {
  const around = surroundings();
  let asked: LoadOptions | undefined;
  const [srt, webrtc] = [srtFigures(), webRtcFigures({ transport: 'datachannel' })];
  const run: LoadSurroundings['run'] = async (options) => {
    asked = options;
    options.onTick?.({ ...TICK, srt, webrtc });
    return loadFigures({ srt, webrtc });
  };
  const out = temporary(t);
  const urls = ['srt://127.0.0.1:9000?passphrase=hunter2hunter2', 'whep://127.0.0.1:1985/x?token=hunter2'];
  const args = { ...ARGUMENTS, out, webrtc: 'datachannel', token: 'hunter2' };
  assert.equal(await load(urls, args, { ...around, run }), ExitCode.pass);
  assert.deepEqual(asked!.client?.webrtc, { transport: 'datachannel', token: 'hunter2' });
  assert.match(
    around.stderr.text,
    / \| 400000 SRT packets, 31 lost, 0 dropped \| 500000 RTP packets, 0 lost, 4 recovered \| /,
  );
  assert.match(around.stdout.text, /^round trip, SRT +/m);
  assert.match(around.stdout.text, /^jitter, RTP +/m);
  assert.match(around.stdout.text, /^srt +400,000 packets, 31 lost on the way, 31 retransmitted, 0 dropped/m);
  assert.match(around.stdout.text, /^webrtc +datachannel, 500,000 packets, 100,000 of them Opus, 0 lost/m);
  const results = resultsIn(out);
  assert.deepEqual(results.command.slice(-4), ['--webrtc', 'datachannel', '--token', '***']);
  assert.deepEqual([results.load!.srt, results.load!.webrtc], [srt, webrtc]);
  for (const file of readdirSync(out)) {
    assert.doesNotMatch(readFileSync(join(out, file), 'utf8'), /hunter2/, file);
  }
  assert.doesNotMatch(around.stdout.text + around.stderr.text, /hunter2/);
});

test('WHEP: one frame of how many is decrypted as a whole is an option of the clients', async (t) => {
  let asked: LoadOptions | undefined;
  const run: LoadSurroundings['run'] = async (options) => {
    asked = options;
    return loadFigures({ webrtc: webRtcFigures({ transport: 'lite' }) });
  };
  const out = temporary(t);
  const args = { ...ARGUMENTS, out, webrtc: 'lite', webrtcSample: '1' };
  assert.equal(await load(['whep://127.0.0.1:1985/x'], args, { ...surroundings(), run }), ExitCode.pass);
  assert.deepEqual(asked!.client?.webrtc, { transport: 'lite', sample: 1 });
  assert.deepEqual(resultsIn(out).command.slice(-2), ['--webrtc-sample', '1']);
});

test('--json prints the results on stdout and nothing else', async (t) => {
  const out = temporary(t);
  const around = surroundings();
  await load([URL_OF_FLV], { ...ARGUMENTS, json: true, out }, { ...around, run: fakeRun(loadFigures()) });
  assert.deepEqual(Results.parse(JSON.parse(around.stdout.text)), resultsIn(out));
  assert.match(around.stderr.text, /joined/);
});

test('lost clients exit 1, an unhealthy generator 3, and the reason is printed', async (t) => {
  const clients = { requested: 10, joined: 9, failed: 1, dropped: 0 };
  const reasons = { 'tcp.econnrefused': 1 };
  const sick = { ...loadFigures().generator, healthy: false, reasons: ['event loop lag p99 190 ms'] };
  const around = surroundings();
  const args = { ...ARGUMENTS, out: temporary(t) };
  const failed = fakeRun(loadFigures({ clients, reasons }));
  assert.equal(await load([URL_OF_FLV], args, { ...around, run: failed }), ExitCode.fail);
  assert.match(
    around.stdout.text,
    /fail {2}load\/joined\n.*\n.*9 joined, 1 failed\n.*tcp\.econnrefused: 1 player\n/,
  );
  const unhealthy = fakeRun(loadFigures({ clients, reasons, generator: sick }));
  assert.equal(await load([URL_OF_FLV], args, { ...surroundings(), run: unhealthy }), ExitCode.inconclusive);
});

test('wrong use is told before anything is started or written', async (t) => {
  const out = join(temporary(t), 'never');
  const run = fakeRun(loadFigures(), () => assert.fail('the swarm was started'));
  const wrong: [string[], Partial<LoadArguments>, RegExp][] = [
    [['rtmp://10.0.0.7/live/a'], {}, /10\.0\.0\.7 is not on loopback.*--allow-remote/],
    [['http://127.0.0.1@media.example/a.flv'], {}, /media\.example is not on loopback/],
    [[URL_OF_FLV, 'http://media.example/a.flv'], {}, /media\.example is not on loopback/],
    [['rtmp://127.0.0.1.example.com/live/a'], {}, /is not on loopback/],
    [['whip://127.0.0.1/x?token=hunter2'], {}, /whep:\/\/ or wheps:\/\/ is needed; got "[^"]*token=\*\*\*"/],
    [['srt://10.0.0.7:9000'], {}, /10\.0\.0\.7 is not on loopback/],
    [['srt://127.0.0.1'], {}, /expected srt:\/\/host:port/],
    [['srt://127.0.0.1:9000?passphrase=short'], {}, /a passphrase of 10 to \d+ bytes, got "5 bytes"/],
    [['srt://127.0.0.1:0?passphrase=hunter2hunter2'], {}, /^(?!.*hunter2).*a port from 1 to 65535/],
    [['srt://127.0.0.1?passphrase=hunter2hunter2'], {}, /^(?!.*hunter2)/],
    [['whep://media.example/x'], {}, /media\.example is not on loopback/],
    [['wheps://127.0.0.1@media.example/x'], {}, /media\.example is not on loopback/],
    [['whep://127.0.0.1/x'], { webrtc: 'pion' }, /--webrtc is lite, datachannel; got "pion"/],
    [['whep://127.0.0.1/x'], { webrtcSample: '0' }, /--webrtc-sample is a whole number .*; got "0"/],
    [['whep://127.0.0.1/x'], { webrtcSample: '1.5' }, /--webrtc-sample .*; got "1\.5"/],
    [
      ['whep://127.0.0.1/x'],
      { webrtc: 'datachannel', webrtcSample: '1' },
      /--webrtc-sample is for --webrtc lite/,
    ],
    [['rtmp://127.0.0.1'], {}, /url: expected/],
    [['http://[::1/a.flv'], {}, /Not a URL/],
    [
      ['http://127.0.0.1:8080/live/a'],
      {},
      /http\(s\):\/\/….flv.* to play, got "http:\/\/127\.0\.0\.1:8080\/live\/a"/,
    ],
    [[URL_OF_FLV, 'https://127.0.0.1/a.mp4?token=hunter2'], {}, /^(?!.*hunter2).* to play, got/],
    [[URL_OF_FLV], { clients: '0' }, /count is a whole number of at least 1/],
    [[URL_OF_FLV], { clients: '1e3' }, /count is a whole number of at least 1/],
    [[URL_OF_FLV, URL_OF_HLS], { clients: '1' }, /--clients 1: 2 URLs are played in turn, so 2 clients/],
    [[URL_OF_FLV], { ramp: '5' }, /500ms, 30s, 2m or 1h; got "5"/],
    [[URL_OF_FLV], { duration: '-1s' }, /got "-1s"/],
    [[URL_OF_FLV], { workers: 'two' }, /got "two"/],
    [[URL_OF_HLS], { hlsStart: 'now' }, /--hls-start is 3-segments, live-edge; got "now"/],
    [[URL_OF_HLS], { hlsVariant: '-1' }, /--hls-variant is first, highest, lowest or a number; got "-1"/],
    [[URL_OF_HLS], { cmcd: 'yes' }, /--cmcd is headers, query; got "yes"/],
  ];
  for (const [urls, args, message] of wrong) {
    await assert.rejects(load(urls, { ...ARGUMENTS, out, ...args }, { ...surroundings(), run }), (error) => {
      assert.ok(error instanceof UsageError && error.exitCode === ExitCode.usage, String(error));
      assert.match(error.message, message);
      return true;
    });
  }
  assert.throws(() => readdirSync(out), { code: 'ENOENT' });
});

test('a remote server is loaded when that is asked for, loopback always', async (t) => {
  const out = temporary(t);
  const urls = ['rtmp://media.example/live/a', 'https://media.example/live/a.flv'];
  const run = fakeRun(loadFigures());
  assert.equal(
    await load(urls, { ...ARGUMENTS, allowRemote: true, out }, { ...surroundings(), run }),
    ExitCode.pass,
  );
  const near = [
    'rtmp://127.9.8.7:1935/live/a',
    'http://localhost/a.flv',
    'rtmp://[::1]/live/a',
    'http://[::1]:80/a.flv',
    'http://localhost/a.m3u8',
    'http://[::1]:80/a.m3u8',
    'srt://localhost:9000',
    'srt://[::1]:9000?streamid=x',
    'whep://localhost/x',
    'wheps://[::1]/x',
  ];
  assert.equal(await load(near, { ...ARGUMENTS, out }, { ...surroundings(), run }), ExitCode.pass);
});

test('an interrupted load writes what was measured', async (t) => {
  const out = temporary(t);
  const around = surroundings();
  const run = fakeRun(loadFigures(), () => around.interrupt());
  assert.equal(await load([URL_OF_FLV], { ...ARGUMENTS, out }, { ...around, run }), ExitCode.inconclusive);
  assert.equal(resultsIn(out).interrupted, true);
  assert.match(around.stdout.text, /\(interrupted\)/);
});

test('a load that breaks gives the signals back', async (t) => {
  const around = surroundings();
  const run = () => Promise.reject(new Error('the swarm broke'));
  await assert.rejects(
    load([URL_OF_FLV], { ...ARGUMENTS, out: temporary(t) }, { ...around, run }),
    /swarm broke/,
  );
  assert.ok(around.state.released);
});

/** The real command against a server that accepts and says nothing, up to its first line of progress. */
async function startReal(t: TestContext, out: string): Promise<ChildProcess> {
  const server = createServer((socket) => void socket.on('error', () => {}));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `rtmp://127.0.0.1:${(server.address() as AddressInfo).port}/live/a`;
  const args = ['load', url, '-n', '3', '--workers', '1', '--ramp', '0', '--duration', '60s', '--out', out];
  const child = spawn(process.execPath, [...startArgs('cli/main.ts'), ...args], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  t.after(() => {
    child.kill('SIGKILL');
    server.close();
  });
  const lines = createInterface({ input: child.stderr! });
  for await (const line of lines) {
    if (line.includes('joined')) break;
  }
  child.stderr!.resume();
  return child;
}

test('SIGINT ends a real load, which writes its report and blames nobody: exit code 3', async (t) => {
  const out = temporary(t);
  const child = await startReal(t, out);
  child.kill('SIGINT');
  const [code] = await once(child, 'exit');
  assert.equal(code, ExitCode.inconclusive);
  const { interrupted, load: figures } = resultsIn(out);
  assert.equal(interrupted, true);
  assert.deepEqual(figures!.clients, { requested: 3, joined: 0, failed: 3, dropped: 0 });
});
