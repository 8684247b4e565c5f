/** The builtin nodes against ffmpeg, which shares no code with them. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { after, before, test } from 'node:test';
import { clientsOf, eventually, ROOT, run, startNode, stopAll, type TestNode } from './support.ts';

const FIXTURE = `${ROOT}fixtures/media/av-480k.flv`;
let origin: TestNode;
let edge: TestNode;
const publishers: ChildProcess[] = [];

function publish(url: string): ChildProcess {
  const args = [
    '-loglevel',
    'error',
    '-re',
    '-stream_loop',
    '-1',
    '-i',
    FIXTURE,
    '-c',
    'copy',
    '-f',
    'flv',
    url,
  ];
  const child = spawn('ffmpeg', args, { stdio: 'ignore' });
  publishers.push(child);
  return child;
}

/** Video packets and the timestamps between which they lie, as ffprobe counts them. */
async function play(url: string): Promise<number[]> {
  const entries = ['-show_entries', 'packet=dts_time', '-of', 'csv=p=0'];
  const { code, stdout, stderr } = await run('ffprobe', [
    ...['-v', 'error', '-select_streams', 'v', '-read_intervals', '%+2', ...entries],
    url,
  ]);
  assert.equal(code, 0, stderr);
  return stdout
    .split('\n')
    .map((line) => Number.parseFloat(line))
    .filter((time) => !Number.isNaN(time));
}

before(async () => {
  origin = await startNode();
  const upstream = [{ host: origin.config.host, port: origin.config.rtmpPort }];
  edge = await startNode({ role: 'edge', host: '127.0.0.2', origins: upstream });
  publish(origin.rtmp('direct'));
  publish(edge.rtmp('forwarded'));
  const both = async (): Promise<boolean> => {
    const { streams } = await origin.api('/api/v1/streams/');
    return (streams as { video: unknown }[]).filter(({ video }) => video !== null).length === 2;
  };
  await eventually('both streams at the origin', both, 15_000);
});

after(async () => {
  for (const child of publishers) child.kill('SIGKILL');
  await stopAll();
});

test('ffmpeg plays what ffmpeg publishes, by RTMP and HTTP-FLV, from origin and edge, without a gap', async () => {
  const urls = [origin, edge].flatMap((node) =>
    ['direct', 'forwarded'].flatMap((stream) => [node.rtmp(stream), node.flv(stream)]),
  );
  const played = await Promise.all(urls.map(play));
  for (const [i, times] of played.entries()) {
    assert.ok(times.length >= 45, `${urls[i]}: ${times.length} video packets in 2 s of 25 fps`);
    for (let at = 1; at < times.length; at++) {
      const step = times[at]! - times[at - 1]!;
      assert.ok(step > 0.03 && step < 0.05, `${urls[i]}: ${step} s between two frames`);
    }
  }
});

test('the origin tells an encoder from a forwarding edge', async () => {
  const publishing = (await clientsOf(origin)).filter((client) => client.publish);
  const types = Object.fromEntries(publishing.map((client) => [client.url, [client.type, client.ip]]));
  assert.deepEqual(types, {
    '/live/direct': ['fmle-publish', '127.0.0.1'],
    '/live/forwarded': ['flash-publish', '127.0.0.2'],
  });
});

test('ffmpeg verifies the digest handshake: it refuses a server whose S2 is signed wrongly', async () => {
  const wrong = await startNode({ mutants: ['rtmp-digest-handshake-wrong'] });
  const { code, stderr } = await run('ffprobe', ['-v', 'error', wrong.rtmp('x')], 8000);
  await wrong.kill();
  assert.notEqual(code, 0);
  assert.match(stderr, /Signature mismatch/);
});
