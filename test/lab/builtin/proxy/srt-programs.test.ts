/** SRT through the proxy with programs of libsrt at the outer end, in the clear and encrypted. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, statSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, describe, type TestContext, test } from 'node:test';
import { SrtProxy } from '../../../../lab/builtin/proxy/srt.ts';
import { TsReader } from '../../../../protocols/mpegts/reader.ts';
import { messages, playId, publishId } from '../srt-support.ts';
import { clientsOf, eventually, type NodeOptions, ROOT, run, stopAll } from '../support.ts';
import { register, startOrigins, startUdpProxy, type UdpProxy } from './udp-support.ts';

const FIXTURE = `${ROOT}fixtures/media/av-480k.flv`;
const PASSPHRASE = 'a-passphrase-of-ours';
const LOCKED: NodeOptions = { settings: { srt: { passphrase: PASSPHRASE, pbkeylen: 32 } } };

after(stopAll);

const url = ({ srtPort }: UdpProxy<SrtProxy>, streamId: string, more = ''): string =>
  `srt://127.0.0.1:${srtPort}?streamid=${streamId}${more}`;

async function proxied(t: TestContext, options: NodeOptions = {}) {
  const proxy = await startUdpProxy(t, (context) => new SrtProxy(context));
  const nodes = await startOrigins(t, 2, 'srt', options);
  await register(proxy.balancer, nodes);
  const clients = async (): Promise<unknown[]> => (await Promise.all(nodes.map(clientsOf))).flat();
  return { proxy, clients };
}

function start(
  t: TestContext,
  program: string,
  args: readonly string[],
  stdout: number | 'ignore' = 'ignore',
) {
  const child: ChildProcess = spawn(program, args, { stdio: ['ignore', stdout, 'ignore'] });
  t.after(() => child.kill('SIGKILL'));
  return child;
}

function publish(t: TestContext, to: string): ChildProcess {
  const input = ['-v', 'error', '-re', '-stream_loop', '-1', '-i', FIXTURE];
  return start(t, 'ffmpeg', [...input, '-c', 'copy', '-f', 'mpegts', to]);
}

function temporary(t: TestContext): string {
  const directory = mkdtempSync(path.join(os.tmpdir(), 'liveproof-proxy-srt-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

function assertWhole(file: string): void {
  const bytes = readFileSync(file);
  const reader = new TsReader({ onPesBegin() {}, onPesPayload() {}, onPesEnd() {} });
  reader.push(bytes.subarray(0, bytes.length - (bytes.length % 188)));
  assert.deepEqual([reader.continuityErrors, reader.discarded], [0, 0]);
}

describe('programs of libsrt', { concurrency: true }, () => {
  for (const [name, options, secret] of [
    ['in the clear', {}, ''],
    ['encrypted', LOCKED, `&passphrase=${PASSPHRASE}`],
  ] as const) {
    test(`ffmpeg publishes, ffmpeg and srt-live-transmit play, ${name}; who leaves is gone`, async (t) => {
      const { proxy, clients } = await proxied(t, options);
      const key = secret === '' ? '' : `${secret}&pbkeylen=32`;
      const publisher = publish(t, url(proxy, publishId('a'), key));
      await eventually('the publisher', async () => (await clients()).length === 1, 15_000);
      const file = path.join(temporary(t), 'a.ts');
      const out = openSync(file, 'w');
      const player = start(t, 'srt-live-transmit', [url(proxy, playId('a'), secret), 'file://con'], out);
      closeSync(out);
      const probe = await run('ffprobe', [
        ...['-v', 'quiet', '-probesize', '200000', '-select_streams', 'v', '-read_intervals', '%+2'],
        ...['-show_entries', 'packet=dts_time', '-of', 'csv=p=0', url(proxy, playId('a'), secret)],
      ]);
      const times = probe.stdout.split('\n').map(Number.parseFloat).filter(Number.isFinite);
      assert.ok(times.length >= 40, `${times.length} frames`);
      for (let at = 1; at < times.length; at++) {
        const step = times[at]! - times[at - 1]!;
        assert.ok(step > 0.03 && step < 0.05, `${step} s between two frames`);
      }
      await eventually('a file', () => statSync(file).size > 100_000, 15_000);
      player.kill('SIGINT');
      await eventually('one client to be left', async () => (await clients()).length === 1);
      assertWhole(file);
      publisher.kill('SIGINT');
      await eventually('nobody to be left', async () => (await clients()).length === 0);
      assert.equal(proxy.part.sessions, 0);
    });
  }

  test('srt-live-transmit publishes from its input what ffmpeg plays', async (t) => {
    const { proxy, clients } = await proxied(t);
    const source = spawn('srt-live-transmit', ['-chunk:1316', 'file://con', url(proxy, publishId('b'))], {
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    t.after(() => source.kill('SIGKILL'));
    source.stdin.on('error', () => {});
    const sent = messages(2);
    const begin = performance.now();
    let next = 0;
    const feeder = setInterval(() => {
      while (next < sent.length && begin + sent[next]!.at <= performance.now())
        source.stdin.write(sent[next++]!.payload);
    }, 10);
    t.after(() => clearInterval(feeder));
    await eventually('the publisher', async () => (await clients()).length === 1, 15_000);
    const probe = await run('ffprobe', [
      ...['-v', 'quiet', '-probesize', '200000', '-select_streams', 'v', '-read_intervals', '%+1'],
      ...['-show_entries', 'packet=dts_time', '-of', 'csv=p=0', url(proxy, playId('b'))],
    ]);
    assert.ok(probe.stdout.split('\n').length > 20, probe.stdout);
  });

  test('libsrt is told why: another passphrase, or no origin', async (t) => {
    const { proxy, clients } = await proxied(t, LOCKED);
    const wrong = await run('ffprobe', [
      '-v',
      'error',
      url(proxy, playId('a'), '&passphrase=another-passphrase'),
    ]);
    assert.equal(wrong.code, 1);
    assert.deepEqual(await clients(), []);
    const alone = await startUdpProxy(t, (context) => new SrtProxy(context));
    const { stderr } = await run('srt-live-transmit', [
      '-timeout:5',
      '-autoreconnect:no',
      url(alone, playId('a')),
      'file://con',
    ]);
    assert.match(stderr, /REJECT reported from HS processing: Application-defined rejection reason/);
    // It asks every 250 ms until it has read an answer, and each time it is told the same.
    assert.ok(alone.log.some((line) => line.includes('rejected with unavailable')));
  });
});
