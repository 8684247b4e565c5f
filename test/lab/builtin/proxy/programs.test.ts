/** The proxy between programs that are not ours: ffmpeg in front, nginx-rtmp, which does not register by itself, behind. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { nginxModule } from '../../../../lab/runners/nginx-module.ts';
import { freePorts } from '../../../support/ports.ts';
import { eventually, ROOT, run, startNode } from '../support.ts';
import { registration, registrationOf, startProxy, type TestProxy } from './support.ts';

const FIXTURE = `${ROOT}fixtures/media/av-480k.flv`;

function child(t: TestContext, program: string, args: readonly string[]): ChildProcess {
  const started = spawn(program, args, { stdio: 'ignore' });
  t.after(() => started.kill('SIGKILL'));
  return started;
}

function publish(t: TestContext, proxy: TestProxy, stream: string): void {
  const url = `rtmp://127.0.0.1:${proxy.rtmp}/live/${stream}`;
  const input = ['-loglevel', 'error', '-re', '-stream_loop', '-1', '-i', FIXTURE];
  child(t, 'ffmpeg', [...input, '-c', 'copy', '-f', 'flv', url]);
}

/** Video packets of two seconds, as ffprobe counts them. */
async function packets(url: string): Promise<number> {
  const entries = ['-show_entries', 'packet=dts_time', '-of', 'csv=p=0'];
  const what = ['-v', 'error', '-select_streams', 'v', '-read_intervals', '%+2', ...entries];
  const { code, stdout, stderr } = await run('ffprobe', [...what, url]);
  assert.equal(code, 0, stderr);
  return stdout.split('\n').filter((line) => line.trim() !== '').length;
}

test('ffmpeg publishes through the proxy and plays RTMP, HTTP-FLV and HLS through it', async (t) => {
  const proxy = await startProxy(t);
  const folder = await mkdtemp(join(tmpdir(), 'proxy-hls-'));
  const origin = await startNode({
    hls: { directory: folder },
    settings: { hls: { fragmentSeconds: 1, windowSeconds: 6, sessions: true } },
  });
  // It writes in its own time, also when it is closed: only when it is gone nothing is written any more.
  t.after(async () => {
    await origin.kill();
    await rm(folder, { recursive: true });
  });
  await proxy.register(registrationOf(origin, 'o'));
  publish(t, proxy, 'a?token=1');
  await eventually('HLS is there', async () => (await fetch(`${proxy.http}/live/a.m3u8`)).ok, 15_000);
  const played = await Promise.all(
    [
      `rtmp://127.0.0.1:${proxy.rtmp}/live/a`,
      `${proxy.http}/live/a.flv?token=1`,
      `${proxy.http}/live/a.m3u8`,
    ].map(packets),
  );
  for (const count of played) assert.ok(count >= 40, `${played} packets of 2 s`);
});

test('nginx-rtmp that was registered by hand carries a stream, and its dead end is seen', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'proxy-nginx-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const [port] = await freePorts('127.0.0.1', 1);
  await writeFile(
    join(folder, 'nginx.conf'),
    `load_module ${nginxModule('ngx_rtmp_module.so')};
daemon off; master_process off; pid ${folder}/pid; error_log ${folder}/error.log;
events {}
rtmp { server { listen 127.0.0.1:${port}; chunk_size 4096; application live { live on; } } }
`,
  );
  const nginx = child(t, 'nginx', [
    '-p',
    folder,
    '-c',
    join(folder, 'nginx.conf'),
    '-e',
    `${folder}/error.log`,
  ]);
  await eventually('nginx listens', () => listens(port!), 15_000);
  const proxy = await startProxy(t);
  assert.equal((await proxy.register(registration('nginx', { rtmp: [String(port)] }))).status, 200);
  publish(t, proxy, 'a');
  const picks = 'liveproof_proxy_picks_total{result="new"}';
  await eventually('the publisher is in', () => proxy.metric(picks), 15_000);
  const count = await packets(`rtmp://127.0.0.1:${proxy.rtmp}/live/a`);
  assert.ok(count >= 40, `${count} packets of 2 s`);
  nginx.kill('SIGKILL');
  await eventually(
    'the proxy has let go of it',
    async () => (await proxy.metric('liveproof_proxy_connections{protocol="rtmp"}')) === 0,
  );
});

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port });
    socket.on('connect', () => resolve(true));
    socket.on('error', () => resolve(false));
    socket.on('connect', () => socket.destroy());
  });
}
